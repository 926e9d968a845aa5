"""The plan of a replay, and each message as the replay sends it."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import uuid4

from penstock.consumer.dead_letter import unstamp
from penstock.deadletters.edit.errors import EditRefused
from penstock.deadletters.message import DeadLetterMessage
from penstock.deadletters.replay_marker import REPLAY_ATTRIBUTE, ReplayMarker
from penstock.deadletters.selector import Selector
from penstock.queue import Outgoing

REPLAYED_TOO_OFTEN: Final = "ReplayedTooOften"
NO_ROOM_FOR_MARKER: Final = "NoRoomForStamp"
EDIT_REFUSED: Final = "EditRefused"


class ReplayOutcome(StrEnum):
    """The outcome of one dead letter in a run."""

    REPLAYED = "replayed"
    """On the main queue, and no longer a dead letter."""
    NOT_SENT = "not-sent"
    """Still a dead letter: the main queue refused it, or the edit cannot be applied to it."""
    NOT_DELETED = "not-deleted"
    """On the main queue, and still a dead letter: SQS refused to delete it, or its lease expired."""
    LEFT = "left"
    """Still a dead letter: this run has sent it already and it came back, or earlier replays are too many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The plan of a replay.

    Attributes:
        selector: which dead letters to send.
        limit: the maximum number to send; None for no limit.
        rate: the maximum rate in messages per second; None for no maximum.
        max_replays: dead letters that have been replayed this often are left; None for no maximum.
        edit: returns the body to send, or raises `EditRefused`.
    """

    selector: Selector
    limit: int | None = None
    rate: float | None = None
    max_replays: int | None = None
    edit: Callable[[str], str] | None = None


@dataclass(frozen=True, slots=True)
class Skipped:
    """Why a selected dead letter is not sent; the attributes are those of `Replayed`."""

    outcome: ReplayOutcome
    code: str
    detail: str | None = None


def build_message(found: DeadLetterMessage, plan: Plan, run: str, *, fifo: bool) -> Outgoing | Skipped:
    """Return the message as its sender wrote it, with a marker and without the attributes of the `DeadLetter`.

    On a FIFO queue it gets a new deduplication id, because SQS would drop a duplicate of the last five minutes.
    """
    message = found.message
    if plan.max_replays is not None and found.replays >= plan.max_replays:
        return Skipped(ReplayOutcome.LEFT, REPLAYED_TOO_OFTEN)
    try:
        body = plan.edit(message.body) if plan.edit else message.body
    except EditRefused as error:
        return Skipped(ReplayOutcome.NOT_SENT, EDIT_REFUSED, str(error))
    original = Outgoing(body, unstamp(message.attributes), message.group, str(uuid4()) if fifo else None)
    marked = ReplayMarker(found.replays + 1, run).attach_to(original)
    if plan.max_replays is not None and REPLAY_ATTRIBUTE not in marked.attributes:
        return Skipped(ReplayOutcome.LEFT, NO_ROOM_FOR_MARKER)
    return marked
