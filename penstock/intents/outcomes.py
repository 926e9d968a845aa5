"""The outcome: what has become of an intent."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Outcome:
    """What has become of an intent.

    Attributes:
        id: the intent's id.
        status: `pending` until the ledger knows better.
        created_at: when the intent was created, once the ledger knows of it.
        settled_at: when its outcome was entered in the ledger.
        reused_at: when something else came under the same id, which had no effect.
        reason: of a dead intent, the stable word for the cause; it holds no value of the intent.
        fields: of a dead intent, the wrong fields, each with the validator's word for what is wrong.
    """

    id: UUID
    status: Literal["pending", "applied", "stale", "dead"]
    created_at: datetime | None = None
    settled_at: datetime | None = None
    reused_at: datetime | None = None
    reason: str | None = None
    fields: tuple[str, ...] = ()


class OutcomeUnavailable(Exception):
    """Outcomes cannot be looked up at the moment."""


class OutcomeExpired(Exception):
    """The intent is so old that its outcome, if it had one, is not known any more."""
