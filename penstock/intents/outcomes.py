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
        settled_at: when it was entered in the ledger.
        reason: of a dead intent, the stable word for the cause; it holds no value of the intent.
    """

    id: UUID
    status: Literal["pending", "applied", "stale", "dead"]
    settled_at: datetime | None = None
    reason: str | None = None


class OutcomeUnavailable(Exception):
    """Outcomes cannot be looked up at the moment."""
