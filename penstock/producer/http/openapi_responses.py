"""The answers of an API in its OpenAPI document: successes, problem documents, and API Gateway's own answers."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from penstock.producer.http.problems import PREFIX, PROBLEMS

_ANY_REQUEST: Final = ("not-json", "too-large", "internal", "not-ready")
WRITE: Final = (
    *_ANY_REQUEST,
    "not-an-object",
    "too-deep",
    "bad-idempotency-key",
    "no-tenant",
    "invalid-fields",
    "not-kept",
)
BATCH: Final = (
    *_ANY_REQUEST,
    "bad-batch",
    "too-deep",
    "bad-idempotency-key",
    "no-tenant",
    "unsupported-media-type",
    "batch-refused",
    "not-kept",
)
OUTCOME: Final = ("not-found", "gone", "internal", "outcome-unavailable")

_GATEWAY: Final = {
    "401": "The token is missing or cannot be verified",
    "403": "The caller may not call this",
    "413": "The request is larger than API Gateway or Lambda takes",
    "429": "There are too many requests",
    "500": "The function ended without an answer",
    "503": "No function is free, or it took too long",
}
"""API Gateway's own answers. It also answers `404`, where there is no route to describe."""


def problem_responses(names: Iterable[str]) -> dict[str, Any]:
    """Describe, by status, the problems with these names and API Gateway's own answers."""
    by_status: dict[str, list[str]] = {}
    for name in names:
        status = PROBLEMS[name].status
        by_status.setdefault(str(status and status.value), []).append(PREFIX + name)
    return {
        status: _problem_response(status, by_status.get(status, [])) for status in sorted({*by_status, *_GATEWAY})
    }


def _problem_response(status: str, types: list[str]) -> dict[str, Any]:
    """Describe one status: the functions' problem documents, API Gateway's messages, or both."""
    described = {
        "description": ", ".join([*types, *([f"{_GATEWAY[status]} (API Gateway)"] if status in _GATEWAY else [])])
    }
    later = {"headers": {"Retry-After": RETRY_AFTER}} if types and status == "503" else {}
    problem = json_of("Problem", "application/problem+json") if types else {}
    return described | later | {"content": problem | (json_of("GatewayMessage") if status in _GATEWAY else {})}


def json_of(schema: str, media_type: str = "application/json") -> dict[str, Any]:
    """Describe a body that is one of the document's schemas."""
    return {media_type: {"schema": {"$ref": f"#/components/schemas/{schema}"}}}


def batch_response(description: str) -> dict[str, Any]:
    """Describe the answer to a batch of which the queue has acknowledged at least one item."""
    headers = {"Cache-Control": _header("no-store"), "Retry-After": RETRY_AFTER | {"required": True}}
    return {"description": description, "headers": headers, "content": json_of("Results")}


def _header(description: str, type_: str = "string", *, required: bool = True) -> dict[str, Any]:
    return {"description": description, "schema": {"type": type_}, **({"required": True} if required else {})}


RETRY_AFTER: Final = _header("The number of seconds to wait.", "integer", required=False)
_PREFERENCE: Final = _header("The preference that was followed.", required=False)

ACCEPTED: Final = {
    "description": "The queue has acknowledged the write.",
    "headers": {
        "Location": _header("The path of its outcome."),
        "Retry-After": RETRY_AFTER | {"required": True},
        "Cache-Control": _header("no-store"),
        "Preference-Applied": _PREFERENCE,
        "Idempotent-Replayed": _header("true, if the request is known to repeat an earlier one.", required=False),
    },
    "content": json_of("Kept"),
}
FOUND: Final = {
    "description": "The outcome of the write.",
    "headers": {
        "Cache-Control": _header("no-store, unless the outcome is final."),
        "ETag": _header("The entity tag of a final outcome.", required=False),
        "Retry-After": RETRY_AFTER,
        "Preference-Applied": _PREFERENCE,
    },
    "content": json_of("Outcome"),
}
NOT_MODIFIED: Final = {
    "description": "The outcome has not changed.",
    "headers": {"ETag": _header("The entity tag that you sent.")},
}


def response_schemas() -> dict[str, Any]:
    """Return the schemas of all answers."""
    text, time, number = {"type": "string"}, {"type": "string", "format": "date-time"}, {"type": "integer"}
    links = {"type": "object", "properties": {"self": text}, "required": ["self"]}
    identity = {"type": "string", "format": "uuid"}
    problem = {"$ref": "#/components/schemas/Problem"}
    wrong = _object({"field": text, "code": text, "message": text}, "field", "code")
    result = {"status": number, "id": identity, "links": links, "replayed": {"const": True}, "problem": problem}
    items = _array(_object(result, "status"))
    outcome = {"enum": ["pending", "applied", "stale", "dead", "expired"]}
    times = {"stated_at": time, "settled_at": time, "reused_at": time}
    known = {"type": text, "title": text, "status": number, "detail": text, "reason": text}
    return {
        "Kept": _object({"id": identity, "status": {"const": "pending"}, "links": links}, "id", "status", "links"),
        "Outcome": _object(
            {"id": identity, "status": outcome, "reason": text, **times, "problem": problem, "links": links},
            "id",
            "status",
            "links",
        ),
        "Problem": _object(
            {**known, "errors": _array(wrong), "kept": number, "refused": number, "items": items},
            "type",
            "title",
            "detail",
        ),
        "GatewayMessage": _object({"message": text}, "message"),
        "Results": _object(
            {"kept": number, "refused": number, "items": items},
            "kept",
            "refused",
            "items",
        ),
    }


def _object(properties: Mapping[str, Any], *required: str) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required)}


def _array(items: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}
