"""The verdict of an audit, and what it leaves open."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from penstock.audit.reconcile import Discrepancy


class Verdict(StrEnum):
    """Whether every intent is accounted for."""

    ADDS_UP = "adds-up"
    """Every intent is where it belongs."""
    UNDECIDED = "not-yet-decided"
    """Nothing is known to be wrong, but something is not known."""
    DOES_NOT_ADD_UP = "does-not-add-up"
    """There is a discrepancy."""


class OpenCause(StrEnum):
    """Why something is not decided."""

    WAITING = "waiting"
    """There are messages on the main queue, which the audit only counts."""
    HIDDEN = "hidden"
    """There are dead letters that were not read: other runs have leased them, or SQS did not return them."""
    CUT_OFF = "cut-off"
    """There are more dead letters than an audit reads."""
    IN_TRANSIT = "in-transit"
    """There are intents that are not where they should be, but may be on their way."""
    FORGOTTEN = "forgotten"
    """There are intents from before the time that the ledger covers. Nothing decides on them any more."""


@dataclass(frozen=True, slots=True)
class OpenQuestion:
    """Something that is not decided.

    Attributes:
        cause: why.
        count: how many messages or intents it is about, approximately where SQS counts.
        settles_at: when the age of the intents will no longer be a reason; None if something else has to happen.
    """

    cause: OpenCause
    count: int
    settles_at: datetime | None = None


def open_questions(
    *,
    waiting: int,
    hidden: int,
    read_until_limit: int,
    counts: Mapping[Discrepancy, int],
    settles_at: datetime | None,
) -> Sequence[OpenQuestion]:
    """Return what an audit leaves open.

    Args:
        waiting: how many messages are on the main queue, and matter.
        hidden: how many dead letters were not read.
        read_until_limit: how many dead letters were read, if that is as many as an audit reads; else 0.
        counts: how many intents have each discrepancy.
        settles_at: when the youngest undecided intent is no longer young.
    """

    def found() -> Iterator[OpenQuestion]:
        yield OpenQuestion(OpenCause.WAITING, waiting)
        yield OpenQuestion(OpenCause.HIDDEN, hidden)
        yield OpenQuestion(OpenCause.CUT_OFF, read_until_limit)
        yield OpenQuestion(OpenCause.IN_TRANSIT, counts[Discrepancy.UNDECIDED], settles_at)
        yield OpenQuestion(OpenCause.FORGOTTEN, counts[Discrepancy.FORGOTTEN])

    return [one for one in found() if one.count]
