"""What an API answers, as its OpenAPI document describes it: good answers, problems, and what API Gateway says."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from penstock.producer.problems import PREFIX, PROBLEMS

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
QUESTION: Final = ("not-found", "gone", "internal", "outcome-unavailable")

_GATEWAY: Final = {
    "401": "The token is missing or cannot be verified",
    "403": "The caller may not call this",
    "413": "The request is larger than API Gateway or Lambda takes",
    "429": "There are too many requests",
    "500": "The function broke off",
    "503": "No function is free, or it took too long",
}
"""What API Gateway answers by itself; `404` too, of which no route is to be described."""


def _problems(names: Iterable[str]) -> dict[str, Any]:
    """Describe the problems that may be answered, by status; and what API Gateway answers by itself."""
    by_status: dict[str, list[str]] = {}
    for name in names:
        status = PROBLEMS[name].status
        by_status.setdefault(str(status and status.value), []).append(PREFIX + name)
    described = {
        status: {
            "description": ", ".join(types),
            "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status, types in sorted(by_status.items())
    }
    return {"401": {"description": "The token is missing or cannot be verified (API Gateway)."}} | described


def _json(schema: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}


def _results(description: str) -> dict[str, Any]:
    return {"description": description, "content": _json("Results")}


_ACCEPTED: Final = {
    "description": "The write is kept.",
    "headers": {
        "Location": {"description": "Where its outcome is asked after.", "schema": {"type": "string"}},
        "Retry-After": {"description": "In how many seconds.", "schema": {"type": "integer"}},
    },
    "content": _json("Kept"),
}


def _parts() -> dict[str, Any]:
    text, time, number = {"type": "string"}, {"type": "string", "format": "date-time"}, {"type": "integer"}
    links = {"type": "object", "properties": {"self": text}, "required": ["self"]}
    identity = {"type": "string", "format": "uuid"}
    problem = {"$ref": "#/components/schemas/Problem"}
    wrong = _object({"field": text, "code": text, "message": text}, "field", "code")
    result = {"status": number, "id": identity, "links": links, "replayed": {"const": True}, "problem": problem}
    items = _array(_object(result, "status"))
    outcome = {"enum": ["pending", "applied", "stale", "dead"]}
    times = {"stated_at": time, "settled_at": time, "reused_at": time}
    known = {"type": text, "title": text, "status": number, "detail": text, "reason": text}
    return {
        "Kept": _object({"id": identity, "status": {"const": "pending"}, "links": links}, "id", "status", "links"),
        "Outcome": _object(
            {"id": identity, "status": outcome, **times, "problem": problem, "links": links},
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


