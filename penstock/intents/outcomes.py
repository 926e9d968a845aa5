"""The outcome of an intent."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of an intent.

    Attributes:
        id: the intent's id.
        status: `pending` until the ledger has an outcome.
        created_at: when the intent was created; None until the ledger has a row for it.
        settled_at: when the outcome was entered in the ledger.
        reused_at: when a different intent with the same id was received; that intent had no effect.
        reason: the cause, for a dead intent: a stable word that contains no value of the intent. `held`, for a
            pending intent of a kind that an operator holds back.
        fields: the invalid fields, for a dead intent, each with the error type of the validator.
    """

    id: UUID
    status: Literal["pending", "applied", "stale", "dead", "expired"]
    created_at: datetime | None = None
    settled_at: datetime | None = None
    reused_at: datetime | None = None
    reason: str | None = None
    fields: tuple[str, ...] = ()


class OutcomeUnavailable(Exception):
    """Outcomes cannot be read now."""


class OutcomeExpired(Exception):
    """The intent is so old that its outcome, if it had one, has been deleted."""
