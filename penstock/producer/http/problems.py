"""Problem documents (RFC 9457): every problem type, by the stable last part of its `type`."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from penstock.producer.http.responses import json_response

PREFIX: Final = "urn:penstock:problem:"


@dataclass(frozen=True, slots=True)
class ProblemType:
    """A problem type.

    Attributes:
        status: the HTTP status of the answer; None for a type that only occurs inside another answer.
        title: a summary of the type, the same for every occurrence.
    """

    status: HTTPStatus | None
    title: str


PROBLEMS: Final = {
    "not-json": ProblemType(HTTPStatus.BAD_REQUEST, "The body is not JSON in UTF-8"),
    "not-an-object": ProblemType(HTTPStatus.BAD_REQUEST, "The body is not a JSON object"),
    "too-deep": ProblemType(HTTPStatus.BAD_REQUEST, "The JSON is nested too deep"),
    "bad-batch": ProblemType(HTTPStatus.BAD_REQUEST, "The body is not a batch"),
    "bad-idempotency-key": ProblemType(HTTPStatus.BAD_REQUEST, "The idempotency key cannot be used"),
    "no-tenant": ProblemType(HTTPStatus.FORBIDDEN, "The caller belongs to no tenant"),
    "not-found": ProblemType(HTTPStatus.NOT_FOUND, "There is nothing here"),
    "gone": ProblemType(HTTPStatus.GONE, "The outcome is not known any more"),
    "too-large": ProblemType(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The request is too large"),
    "unsupported-media-type": ProblemType(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "The body is of another media type"),
    "invalid-fields": ProblemType(HTTPStatus.UNPROCESSABLE_ENTITY, "Some fields are wrong"),
    "unknown-kind": ProblemType(HTTPStatus.UNPROCESSABLE_ENTITY, "There is no such kind here"),
    "batch-refused": ProblemType(HTTPStatus.UNPROCESSABLE_ENTITY, "No item of the batch was kept"),
    "idempotency-key-reused": ProblemType(
        HTTPStatus.UNPROCESSABLE_ENTITY, "The idempotency key stands for another write"
    ),
    "dead": ProblemType(None, "The write was set aside"),
    "expired": ProblemType(None, "The write came too late"),
    "internal": ProblemType(HTTPStatus.INTERNAL_SERVER_ERROR, "Something is wrong on this side"),
    "not-kept": ProblemType(HTTPStatus.SERVICE_UNAVAILABLE, "The write was not acknowledged by the queue"),
    "not-ready": ProblemType(HTTPStatus.SERVICE_UNAVAILABLE, "The service is not ready"),
    "outcome-unavailable": ProblemType(
        HTTPStatus.SERVICE_UNAVAILABLE, "The outcome cannot be looked up at the moment"
    ),
}
"""All problem types. docs/http.md says when each occurs."""


def document(name: str, detail: str, *, errors: list[dict[str, str]] | None = None) -> dict[str, Any]:
    """Make a problem document.

    Args:
        name: the stable name of the problem type, the last part of its `type`.
        detail: a sentence for the client.
        errors: the wrong fields, each with `field`, `code` and `message`.
    """
    problem_type = PROBLEMS[name]
    status = {"status": problem_type.status.value} if problem_type.status else {}
    listed = {"errors": errors} if errors else {}
    return {"type": PREFIX + name, "title": problem_type.title, **status, "detail": detail, **listed}


def problem(
    name: str,
    detail: str,
    *,
    errors: list[dict[str, str]] | None = None,
    more: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Answer with a problem document; see `document`.

    Args:
        name: the stable name of the problem type.
        detail: a sentence for the client.
        errors: the wrong fields.
        more: further members of the document.
        headers: further headers.
    """
    body = document(name, detail, errors=errors) | dict(more or {})
    all_headers = {"Cache-Control": "no-store"} | dict(headers or {})
    return json_response(HTTPStatus(body["status"]), body, all_headers, "application/problem+json")
