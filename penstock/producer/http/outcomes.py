"""The answer to a question for an intent's outcome."""

from http import HTTPStatus
from typing import Any

from penstock.intents import Outcome
from penstock.producer.http.problems import document
from penstock.producer.http.responses import RETRY_LATER, json_response, location

_MAX_AGE_SECONDS = 86_400
_DEAD = (
    "The database or the service cannot accept this write as it is. An operator may repair it and send it again."
)
_EXPIRED = (
    "The write was taken up after its time and has no effect. To make it after all, send it with another "
    "idempotency key."
)
_REUSED = (
    "Another write was sent with the same idempotency key and had no effect. This is the first write's outcome."
)


def outcome_answer(receipt: str, outcome: Outcome, *, waited: int = 0) -> dict[str, Any]:
    """Answer with an intent's outcome. A dead intent may be replayed; all other outcomes are final.

    Args:
        receipt: the receipt in the request.
        outcome: the outcome.
        waited: the seconds of waiting that the caller was granted (RFC 7240, section 4.3).
    """
    preference = {"Preference-Applied": f"wait={waited}"} if waited else {}
    return json_response(HTTPStatus.OK, _body(receipt, outcome), _headers(outcome) | preference)


def _body(receipt: str, outcome: Outcome) -> dict[str, Any]:
    times = {
        "stated_at": outcome.created_at,
        "settled_at": outcome.settled_at,
        "reused_at": outcome.reused_at,
    }
    found = _problem(outcome)
    return {
        "id": str(outcome.id),
        "status": outcome.status,
        **{name: time.isoformat() for name, time in times.items() if time},
        **({"reason": outcome.reason} if outcome.status == "pending" and outcome.reason else {}),
        **({"problem": found} if found else {}),
        "links": {"self": location(receipt)},
    }


def _problem(outcome: Outcome) -> dict[str, Any] | None:
    if outcome.status == "dead":
        errors = [dict(zip(("field", "code"), field.split(" ", 1), strict=False)) for field in outcome.fields]
        return document("dead", _DEAD, errors=errors) | ({"reason": outcome.reason} if outcome.reason else {})
    if outcome.status == "expired":
        return document("expired", _EXPIRED)
    if outcome.reused_at:
        return document("idempotency-key-reused", _REUSED)
    return None


def _headers(outcome: Outcome) -> dict[str, str]:
    if outcome.status in {"applied", "stale", "expired"} and outcome.settled_at:
        reused = "-reused" if outcome.reused_at else ""
        etag = f'"{outcome.status}-{outcome.settled_at.timestamp():.6f}{reused}"'
        return {"Cache-Control": f"private, max-age={_MAX_AGE_SECONDS}", "ETag": etag}
    later = RETRY_LATER if outcome.status == "pending" else {}
    return {"Cache-Control": "no-store", **later}
