"""HTTP answers in the form of API Gateway's Lambda proxy integration."""

import json
from http import HTTPStatus
from typing import Any, Final

from penstock.intents import Receipt

# One encoder for all calls: `json.dumps` makes a new one at each call with other options than its defaults.
_encode = json.JSONEncoder(separators=(",", ":")).encode

RETRY_AFTER_SECONDS: Final = 2
"""When a client should ask for an outcome, or try again. This is advice, for the `Retry-After` header."""

RETRY_LATER: Final = {"Retry-After": str(RETRY_AFTER_SECONDS)}


def accepted(receipt: Receipt, *, replayed: bool = False) -> dict[str, Any]:
    """Answer `202 Accepted`: SQS has the intent, and the answer says where to ask for its outcome.

    Args:
        receipt: the receipt that `emit` returned.
        replayed: whether the request is known to repeat an earlier one. A producer has no database and cannot know
            this. A service that stores keys itself can.

    Returns:
        A proxy response with `Location`, `Retry-After` and a JSON body of id, status and links (RFC 9110,
        section 15.3.3).
    """
    headers = {
        "Location": location(receipt),
        **RETRY_LATER,
        "Cache-Control": "no-store",
        **({"Idempotent-Replayed": "true"} if replayed else {}),
    }
    return json_response(HTTPStatus.ACCEPTED, pending(receipt), headers)


def pending(receipt: Receipt) -> dict[str, Any]:
    """Return the body that describes an intent with no outcome yet."""
    return {"id": str(receipt.id), "status": "pending", "links": {"self": location(receipt)}}


def location(receipt: Receipt | str) -> str:
    """Return the path of an intent's outcome."""
    return f"/writes/{receipt}"


def json_response(
    status: HTTPStatus, body: dict[str, Any], headers: dict[str, str], content_type: str = "application/json"
) -> dict[str, Any]:
    """Build a proxy response with a JSON body."""
    return {
        "statusCode": status.value,
        "headers": {"Content-Type": content_type} | headers,
        "body": _encode(body),
    }
