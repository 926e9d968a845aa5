"""HTTP answers as API Gateway takes them (Lambda proxy integration), whatever made the handler."""

import json
from http import HTTPStatus
from typing import Any

from penstock.intents import Outcome, Receipt

RETRY_AFTER_SECONDS = 2
"""How soon a client may ask after an outcome, or try again: advice, in the `Retry-After` header."""


def accepted(receipt: Receipt) -> dict[str, Any]:
    """Answer `202 Accepted`: the intent is kept, and the receipt says where to ask after its outcome.

    Args:
        receipt: what `emit` returned.

    Returns:
        A proxy response with `Location`, `Retry-After` and a JSON body of id, status and links (RFC 9110,
        section 15.3.3).
    """
    location = f"/writes/{receipt}"
    body = {"id": str(receipt.id), "status": "pending", "links": {"self": location}}
    headers = {"Location": location, "Retry-After": str(RETRY_AFTER_SECONDS), "Cache-Control": "no-store"}
    return answer(HTTPStatus.ACCEPTED, body, headers)


def outcome_answer(receipt: str, outcome: Outcome) -> dict[str, Any]:
    """Answer what has become of a write; only `applied` and `stale` are final, a dead one may be replayed.

    Args:
        receipt: the receipt that was asked with.
        outcome: the outcome.
    """
    body: dict[str, Any] = {
        "id": str(outcome.id),
        "status": outcome.status,
        "links": {"self": f"/writes/{receipt}"},
    }
    if outcome.settled_at:
        body["settled_at"] = outcome.settled_at.isoformat()
    if outcome.reason:
        body["reason"] = outcome.reason
    final = outcome.status in {"applied", "stale"}
    headers = {"Cache-Control": "private, max-age=86400" if final else "no-store"}
    if outcome.status == "pending":
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return answer(HTTPStatus.OK, body, headers)


def problem(
    status: HTTPStatus,
    name: str,
    detail: str,
    *,
    errors: list[dict[str, str]] | None = None,
    headers: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Answer with a problem document (RFC 9457).

    Args:
        status: the status code.
        name: the stable name of this sort of problem, the end of its `type`.
        detail: a sentence for whoever sent the request.
        errors: the wrong fields, each with `field`, `code` and `message`.
        headers: further headers.
    """
    body: dict[str, Any] = {
        "type": f"urn:penstock:problem:{name}",
        "title": status.phrase,
        "status": status.value,
        "detail": detail,
    }
    if errors:
        body["errors"] = errors
    return answer(status, body, {"Cache-Control": "no-store"} | (headers or {}), "application/problem+json")


def answer(
    status: HTTPStatus, body: dict[str, Any], headers: dict[str, str], content_type: str = "application/json"
) -> dict[str, Any]:
    """Build a proxy response with a JSON body."""
    return {
        "statusCode": status.value,
        "headers": {"Content-Type": content_type} | headers,
        "body": json.dumps(body, separators=(",", ":")),
    }
