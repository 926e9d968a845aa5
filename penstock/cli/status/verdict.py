"""The verdict on a stage: one word, the reasons, and the next command to type."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from penstock.cli.status.snapshot import Snapshot
from penstock.cli.support.breaker import format_breaker
from penstock.cli.support.output import escape_control, format_duration
from penstock.cli.support.waiting import describe_waiting, waits_for_a_deployment
from penstock.consumer.breaker.event_source import CLOSED, HALF_OPEN
from penstock.database.holds import Hold
from penstock.database.outbox import MOST_COUNTED, Backlog

MOST_CAUSES: Final = 3
"""So many causes are named in a line."""
_LATE_EVENT_SECONDS: Final = 900
"""An event is sent within a minute or two."""


class State(StrEnum):
    """The state of a service in one word."""

    OK = "OK"
    """Nothing is known to be wrong."""
    DEGRADED = "DEGRADED"
    """It drains, and something needs a person."""
    STOPPED = "STOPPED"
    """It does not drain."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that is wrong.

    Attributes:
        text: what, in a phrase.
        command: the command that says more, without the options of the stage; None if there is none.
        stops: whether nothing is drained because of it.
    """

    text: str
    command: str | None = None
    stops: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is wrong with a stage, the worst first."""

    reasons: tuple[Reason, ...]

    @property
    def state(self) -> State:
        """The state in one word."""
        if any(reason.stops for reason in self.reasons):
            return State.STOPPED
        return State.DEGRADED if self.reasons else State.OK

    @property
    def command(self) -> str | None:
        """The next command to type, without the options of the stage; None if there is none."""
        return next((reason.command for reason in self.reasons if reason.command), None)


def judge(snapshot: Snapshot) -> Verdict:
    """Return the verdict on a snapshot. What could not be read is a reason, too."""
    return Verdict(tuple(sorted(_reasons(snapshot), key=lambda reason: not reason.stops)))


def describe_backlog(backlog: Backlog) -> str:
    """Return how many events wait, and for how long."""
    count = f"{'over ' * (backlog.count >= MOST_COUNTED)}{backlog.count:,}"
    return f"{count} wait to be sent, the oldest for {format_duration(backlog.oldest_seconds or 0)}"


def _held(hold: Hold, at: datetime) -> Reason:
    """Return the reason of a hold, so that nobody forgets it."""
    kind, count = escape_control(hold.kind), f"{hold.count:,} intent{'s wait' if hold.count != 1 else ' waits'}"
    if hold.held_at is None or hold.releasing_at:
        return Reason(f"the release of {kind} has not ended: {count}", f"penstock release {kind}")
    since = format_duration((at - hold.held_at).total_seconds())
    why = f" ({escape_control(hold.reason)})" if hold.reason else ""
    return Reason(f"{kind} is held since {since} by {escape_control(hold.held_by)}{why}: {count}", "penstock hold")


def _reasons(snapshot: Snapshot) -> Iterator[Reason]:
    breaker = snapshot.breaker
    if breaker and breaker.position != CLOSED:
        stops = breaker.position != HALF_OPEN
        yield Reason(f"the breaker is {format_breaker(breaker)}", "penstock breaker status", stops=stops)
    for part, error in snapshot.errors.items():
        yield Reason(f"{part} cannot be read: {error}")
    figures = snapshot.figures
    waiting = [one for one in figures.waiting if waits_for_a_deployment(one)] if figures else []
    for cause in waiting[:MOST_CAUSES]:
        waits_for = describe_waiting(cause, snapshot.at.timestamp())
        yield Reason(f"intents wait for a mended deployment: {waits_for}", "penstock check")
    for hold in figures.holds if figures else ():
        yield _held(hold, snapshot.at)
    if snapshot.dead_letters and snapshot.dead_letters.total:
        yield Reason(f"there are dead letters: about {snapshot.dead_letters.total:,}", "penstock dlq stats")
    if figures and figures.connections > snapshot.budget:
        yield Reason(
            f"there are more connections than the budget allows: {figures.connections} of {snapshot.budget}",
            "penstock doctor",
        )
    backlog = snapshot.backlog
    if backlog and (backlog.oldest_seconds or 0) > _LATE_EVENT_SECONDS:
        yield Reason(f"events about outcomes are late: {describe_backlog(backlog)}")
