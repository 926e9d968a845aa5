"""Whether the drain takes what a replay sends: it may be off, or hand intents back."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from time import time
from typing import Final

from sqlalchemy import Engine

from penstock.cli.support.describe_error import describe_error
from penstock.cli.support.output import escape_control
from penstock.cli.support.waiting import describe_waiting, waits_for_a_deployment
from penstock.consumer.breaker.event_source import BREAKER, OPEN, OPERATOR, EventSourceMapping
from penstock.consumer.breaker.manual import CHANGING, BreakerStatus, breaker_status
from penstock.database.ledger_stats import WaitingCause, read_waiting
from penstock.database.watchdog import Watchdog

_SECONDS: Final = 8.0
_RETENTION: Final = timedelta(days=14)
"""The longest retention of an SQS queue: an intent that was handed back before then is on no queue any more."""
_OF_THE_ENVIRONMENT: Final = frozenset({"EnvironmentFault", "ConflictFault", "PayloadFault"})


@dataclass(frozen=True, slots=True)
class DrainState:
    """What is known of the drain.

    Attributes:
        obstacles: why it will not write what is sent to its queue; what happens instead, and the way out.
        unread: what could not be read, with the reason.
    """

    obstacles: Sequence[str]
    unread: Sequence[str]


def read_drain_state(
    find_mapping: Callable[[], EventSourceMapping], engine: Engine | None, kinds: Collection[str], words: str = ""
) -> DrainState:
    """Read what stands in the way of a replay. Nothing is raised: what cannot be read is part of the result.

    Args:
        find_mapping: finds the drain's event source mapping.
        engine: the database of the ledger; None if it is not to be read.
        kinds: the kinds of intents that will be sent; empty if they are not known.
        words: the options that name the stage, for the commands that are the way out.
    """
    obstacles: list[str] = []
    unread: list[str] = []
    try:
        obstacles += _of_the_breaker(breaker_status(find_mapping()), words)
    except Exception as error:  # noqa: BLE001 (whatever the reason, the replay may go on)
        unread.append(f"whether the drain is on: {describe_error(error)}")
    if engine is None:
        return DrainState(obstacles, [*unread, "whether intents are handed back: the ledger is not read"])
    try:
        with Watchdog(engine).transaction(_SECONDS) as connection:
            waiting = read_waiting(connection, _RETENTION)
        obstacles += _of_the_ledger(waiting, kinds, words)
    except Exception as error:  # noqa: BLE001
        unread.append(f"whether intents are handed back: {describe_error(error)}")
    return DrainState(obstacles, unread)


def _of_the_breaker(status: BreakerStatus, words: str) -> Iterator[str]:
    why = f": {escape_control(status.why)}" if status.why else ""
    waits = "What is replayed waits on the queue and is not written"
    look = f"`penstock breaker status{words}`"
    if status.position == CHANGING:
        yield f"the drain is being changed ({status.state}). {waits} before it is on: {look}"
    elif status.position == OPEN and status.by == BREAKER:
        probe = f"until the probe finds the database well: {look}"
        yield f"the drain is off, by the breaker{why}. {waits} {probe}"
    elif status.position == OPEN:
        by = "by an operator" if status.by == OPERATOR else "and nobody left a reason"
        yield f"the drain is off, {by}{why}. {waits} until `penstock breaker close{words}` turns it on"


def _of_the_ledger(waiting: Sequence[WaitingCause], kinds: Collection[str], words: str) -> Iterator[str]:
    for cause in waiting:
        if kinds and cause.kind not in kinds:
            continue
        handed_back = (
            f"the drain hands intents back: {describe_waiting(cause, time())}. What is replayed of this kind"
        )
        if waits_for_a_deployment(cause):
            yield (
                f"{handed_back} goes back, too, and is a dead letter again after too many receives. "
                f"`penstock check{words}` shows what to mend; `penstock breaker open{words}` lets it wait untried "
                "until then"
            )
        elif cause.fault in _OF_THE_ENVIRONMENT:
            yield f"{handed_back} may go back, too, until that is over: `penstock status{words}`"
