"""The breaker by hand: its status, and how an operator disables and enables the drain.

    open     disables the mapping, then sets the operator's mark, which makes the probe leave the mapping alone
    close    enables the mapping, then removes every mark

If a run is interrupted between the two steps, the mapping is disabled without a mark, or enabled with a mark that
the probe removes.
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from botocore.exceptions import ClientError

from penstock.consumer.breaker.event_source import (
    BREAKER,
    CLOSED,
    DISABLED,
    DISABLING,
    ENABLED,
    ENABLING,
    HALF_OPEN,
    MARK,
    OPEN,
    OPERATOR,
    OPERATOR_MARK,
    UNKNOWN,
    EventSourceMapping,
)

CHANGING: Final = "changing"

_POLL_SECONDS = 1.0
_MAX_TAG_VALUE_LENGTH = 256
_INVALID_IN_TAG_VALUE = re.compile(r"[^\w +\-=.:/@]+")
"""Characters that AWS refuses in the value of a tag (AWS Lambda Developer Guide, "Using tags")."""


class BreakerBusy(Exception):
    """A deployment or another caller is changing the event source mapping; nothing was done."""


class BreakerUnmarked(Exception):
    """The drain is off, but AWS refused the mark that records who turned it off and why."""


class BreakerSlow(Exception):
    """Lambda accepted the change, but did not complete it in time; the message names the current state."""


@dataclass(frozen=True, slots=True)
class BreakerStatus:
    """The status of the breaker.

    Attributes:
        position: `closed` (the drain is on), `open` (it is off), `half-open` (it is on again on trial: the probe
            removes the breaker's mark when it next finds the database well), `changing`.
        by: who turned the drain off: the `breaker`, an `operator`, or `somebody` if there is no mark; None if the
            drain is on.
        why: the reason in the mark.
        state: Lambda's name for the state of the event source mapping.
    """

    position: str
    by: str | None
    why: str | None
    state: str


def breaker_status(mapping: EventSourceMapping) -> BreakerStatus:
    """Return the status of the breaker.

    Raises:
        botocore.exceptions.ClientError: Lambda refused a call.
    """
    state, marks = mapping.state, mapping.marks
    position = _position(state, marks)
    if position in {CLOSED, CHANGING}:
        return BreakerStatus(position, None, None, state)
    for mark, by in ((OPERATOR_MARK, OPERATOR), (MARK, BREAKER)):
        if mark in marks:
            return BreakerStatus(position, by, marks[mark], state)
    return BreakerStatus(position, UNKNOWN, None, state)


def open_breaker(
    mapping: EventSourceMapping,
    reason: str,
    *,
    seconds: float,
    sleep: Callable[[float], None] = time.sleep,
) -> BreakerStatus:
    """Turn the drain off until `close_breaker` is called. Intents wait on the queue meanwhile.

    It is safe to repeat; the newest reason replaces the older ones.

    Args:
        mapping: the drain's event source mapping.
        reason: who turns the drain off and why; characters that a tag cannot hold are replaced by spaces.
        seconds: how long to wait until Lambda has disabled the mapping.
        sleep: called with seconds in place of `time.sleep`.

    Returns:
        The status before.

    Raises:
        BreakerBusy: the mapping is being changed.
        BreakerUnmarked: the mapping is or will be disabled, but AWS refused the mark. If the breaker had tripped
            before, the probe enables the mapping again.
        BreakerSlow: the mapping is marked, but not disabled yet; it will be.
        botocore.exceptions.ClientError: Lambda refused a call.
    """
    before = breaker_status(mapping)
    if before.state not in {DISABLED, DISABLING}:
        _set_enabled(mapping, enabled=False)
    try:
        mapping.mark(_INVALID_IN_TAG_VALUE.sub(" ", reason)[:_MAX_TAG_VALUE_LENGTH].strip(), OPERATOR_MARK)
    except ClientError as error:
        raise BreakerUnmarked("the drain is off, but the operator's mark could not be set") from error
    _wait(mapping, DISABLED, seconds, sleep)
    return before


def close_breaker(
    mapping: EventSourceMapping, *, seconds: float, sleep: Callable[[float], None] = time.sleep
) -> BreakerStatus:
    """Turn the drain on, regardless of who turned it off, and remove every mark.

    It is safe to repeat. If the database is still unwell, the drain trips the breaker again.

    Args:
        mapping: the drain's event source mapping.
        seconds: how long to wait until Lambda has enabled the mapping.
        sleep: called with seconds in place of `time.sleep`.

    Returns:
        The status before.

    Raises:
        BreakerBusy: the mapping is being changed.
        BreakerSlow: the mapping is not enabled yet, or the drain has already tripped the breaker again.
        botocore.exceptions.ClientError: Lambda refused a call.
    """
    before = breaker_status(mapping)
    if before.state not in {ENABLED, ENABLING}:
        _set_enabled(mapping, enabled=True)
    _wait(mapping, ENABLED, seconds, sleep)
    if not mapping.clear_marks(MARK, OPERATOR_MARK):
        raise BreakerSlow("the drain has tripped the breaker again: is the database well?")
    return before


def _position(state: str, marks: dict[str, str]) -> str:
    if state in {DISABLED, DISABLING}:
        return OPEN
    if state == ENABLED:
        return HALF_OPEN if MARK in marks else CLOSED
    return CHANGING


def _set_enabled(mapping: EventSourceMapping, *, enabled: bool) -> None:
    if not mapping.set_enabled(enabled=enabled):
        raise BreakerBusy("the event source mapping is being changed: a deployment may be under way")


def _wait(mapping: EventSourceMapping, wanted: str, seconds: float, sleep: Callable[[float], None]) -> None:
    waited = 0.0
    while (state := mapping.state) != wanted:
        if waited >= seconds:
            raise BreakerSlow(
                f"Lambda accepted the change, but the mapping is still {state} after {seconds:.0f} s"
            )
        sleep(_POLL_SECONDS)
        waited += _POLL_SECONDS
