"""The answer to who asks what has become of a write."""

from http import HTTPStatus
from typing import Any

from penstock.intents import Outcome
from penstock.producer.http.problems import document
from penstock.producer.http.responses import RETRY_AFTER_SECONDS, answer, location

_KEPT_SECONDS = 86_400
_DEAD = "The database, or the service, cannot take this write as it is. It may be repaired and sent again by hand."
_REUSED = (
    "Something else was sent with the same idempotency key. It had no effect; this outcome is the first one's."
)


def outcome_answer(receipt: str, outcome: Outcome, *, waited: int = 0) -> dict[str, Any]:
    """Answer what has become of a write; only `applied` and `stale` are final, a dead one may be replayed.

    Args:
        receipt: the receipt that was asked with.
        outcome: the outcome.
        waited: how many seconds were granted to a caller who would wait (RFC 7240, section 4.3).
    """
    applied = {"Preference-Applied": f"wait={waited}"} if waited else {}
    return answer(HTTPStatus.OK, _body(receipt, outcome), _headers(outcome) | applied)


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
        **({"problem": found} if found else {}),
        "links": {"self": location(receipt)},
    }


def _problem(outcome: Outcome) -> dict[str, Any] | None:
    if outcome.status == "dead":
        errors = [dict(zip(("field", "code"), field.split(" ", 1), strict=False)) for field in outcome.fields]
        return document("dead", _DEAD, errors=errors) | ({"reason": outcome.reason} if outcome.reason else {})
    if outcome.reused_at:
        return document("idempotency-key-reused", _REUSED)
    return None


def _headers(outcome: Outcome) -> dict[str, str]:
    if outcome.status in {"applied", "stale"} and outcome.settled_at:
        reused = "-reused" if outcome.reused_at else ""
        tag = f'"{outcome.status}-{outcome.settled_at.timestamp():.6f}{reused}"'
        return {"Cache-Control": f"private, max-age={_KEPT_SECONDS}", "ETag": tag}
    later = {"Retry-After": str(RETRY_AFTER_SECONDS)} if outcome.status == "pending" else {}
    return {"Cache-Control": "no-store", **later}
