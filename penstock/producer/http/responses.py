"""HTTP answers as API Gateway takes them (Lambda proxy integration), whatever made the handler."""

import json
from http import HTTPStatus
from typing import Any

from penstock.intents import Receipt

# Kept: `json` makes another one at each call that asks for anything but its defaults.
_write = json.JSONEncoder(separators=(",", ":")).encode

RETRY_AFTER_SECONDS = 2
"""How soon a client may ask after an outcome, or try again: advice, in the `Retry-After` header."""


def accepted(receipt: Receipt, *, replayed: bool = False) -> dict[str, Any]:
    """Answer `202 Accepted`: the intent is kept, and the receipt says where to ask after its outcome.

    Args:
        receipt: what `emit` returned.
        replayed: whether this is known to repeat an earlier request. No producer knows by itself, having no
            database; a service that keeps its own account of keys does.

    Returns:
        A proxy response with `Location`, `Retry-After` and a JSON body of id, status and links (RFC 9110,
        section 15.3.3).
    """
    headers = {
        "Location": location(receipt),
        "Retry-After": str(RETRY_AFTER_SECONDS),
        "Cache-Control": "no-store",
        **({"Idempotent-Replayed": "true"} if replayed else {}),
    }
    return answer(HTTPStatus.ACCEPTED, kept(receipt), headers)


def kept(receipt: Receipt) -> dict[str, Any]:
    """Describe an intent that is kept and of which no more is known yet."""
    return {"id": str(receipt.id), "status": "pending", "links": {"self": location(receipt)}}


def location(receipt: Receipt | str) -> str:
    """Return where the outcome of an intent is asked after."""
    return f"/writes/{receipt}"


def answer(
    status: HTTPStatus, body: dict[str, Any], headers: dict[str, str], content_type: str = "application/json"
) -> dict[str, Any]:
    """Build a proxy response with a JSON body."""
    return {
        "statusCode": status.value,
        "headers": {"Content-Type": content_type} | headers,
        "body": _write(body),
    }
