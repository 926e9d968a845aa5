"""What a replay is to do, and each message as it would send it."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import uuid4

from penstock.consumer.dead_letter import unstamp
from penstock.deadletters.edit.errors import EditRefused
from penstock.deadletters.message import DeadLetterMessage
from penstock.deadletters.replay_marker import REPLAY_ATTRIBUTE, Stamp
from penstock.deadletters.selector import Selector
from penstock.queue import Outgoing

REPLAYED_TOO_OFTEN: Final = "ReplayedTooOften"
UNGUARDED: Final = "NoRoomForStamp"
EDIT_REFUSED: Final = "EditRefused"


class ReplayOutcome(StrEnum):
    """What became of one dead letter in a run."""

    REPLAYED = "replayed"
    """On the main queue, and no longer a dead letter."""
    NOT_SENT = "not-sent"
    """Still a dead letter: the main queue refused it, or it cannot be edited as was asked."""
    NOT_DELETED = "not-deleted"
    """On the main queue, but a dead letter as well: its deletion was refused or its lease was lost."""
    LEFT = "left"
    """Still a dead letter: it has come back from this run, or has been replayed too often before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a replay is to do.

    Attributes:
        selector: which dead letters are meant.
        limit: how many are sent at most.
        rate: how many are sent per second at most.
        max_replays: those that have been replayed this often are left; as often as anybody likes if not given.
        edit: returns a body as it is to be sent, or raises `EditRefused`.
    """

    selector: Selector
    limit: int | None = None
    rate: float | None = None
    max_replays: int | None = None
    edit: Callable[[str], str] | None = None


@dataclass(frozen=True, slots=True)
class Skipped:
    """Why a dead letter that was meant is not sent; the attributes are those of `Replayed`."""

    outcome: ReplayOutcome
    code: str
    detail: str | None = None


def written(found: DeadLetterMessage, plan: Plan, run: str, *, fifo: bool) -> Outgoing | Skipped:
    """Write the message as its sender did: without the letter, with its own attributes and group, and stamped.

    A FIFO queue would take it for the message that it was before, if it is replayed within minutes.
    """
    message = found.message
    if plan.max_replays is not None and found.replays >= plan.max_replays:
        return Skipped(ReplayOutcome.LEFT, REPLAYED_TOO_OFTEN)
    try:
        body = plan.edit(message.body) if plan.edit else message.body
    except EditRefused as error:
        return Skipped(ReplayOutcome.NOT_SENT, EDIT_REFUSED, str(error))
    own = Outgoing(body, unstamp(message.attributes), message.group, str(uuid4()) if fifo else None)
    stamped = Stamp(found.replays + 1, run).put_on(own)
    if plan.max_replays is not None and REPLAY_ATTRIBUTE not in stamped.attributes:
        return Skipped(ReplayOutcome.LEFT, UNGUARDED)
    return stamped
