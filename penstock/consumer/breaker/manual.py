"""The breaker in an operator's hands: how it stands, and turning the drain off and on for reasons of one's own.

    open     the drain is turned off, then marked with the operator's word, which the probe leaves alone
    close    the drain is turned on, then every mark is taken away

In this order, a run that is cut off between the two leaves a drain that is off without a word, or one that is on
with a mark that the probe takes down.
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from botocore.exceptions import ClientError

from penstock.consumer.breaker.event_source import GOING_OFF, MARK, OFF, ON, OPERATOR_MARK, EventSourceMapping
from penstock.consumer.breaker.probe import CLOSED, HALF_OPEN, OPEN

CHANGING: Final = "changing"

BREAKER: Final = "breaker"
OPERATOR: Final = "operator"
SOMEBODY: Final = "somebody"

_GOING_ON = "Enabling"
_LOOK_SECONDS = 1.0
_LONGEST_MARK = 256
_NOT_IN_A_TAG = re.compile(r"[^\w +\-=.:/@]+")
"""What AWS refuses in the value of a tag (AWS Lambda Developer Guide, "Using tags")."""


class BreakerBusy(Exception):
    """The event source mapping is being changed by somebody else, or a deployment; nothing was done."""


class BreakerUnmarked(Exception):
    """The drain is off, and AWS refused the mark that says who turned it off and why."""


class BreakerSlow(Exception):
    """Lambda took the order, and has not carried it out in time; the message says how far it is."""


@dataclass(frozen=True, slots=True)
class BreakerStatus:
    """How the breaker stands.

    Attributes:
        position: `closed` (the drain is on), `open` (it is off), `half-open` (it is on again, on trial: the
            probe takes the breaker's mark down when it next finds the database well), `changing`.
        by: who turned it off: the `breaker`, an `operator`, or `somebody` who left no word; None if it is on.
        why: what they said.
        state: Lambda's word for the event source mapping.
    """

    position: str
    by: str | None
    why: str | None
    state: str


def breaker_status(mapping: EventSourceMapping) -> BreakerStatus:
    """Ask how the breaker stands.

    Raises:
        botocore.exceptions.ClientError: Lambda refused.
    """
    state, marks = mapping.state, mapping.marks
    position = _position(state, marks)
    if position in {CLOSED, CHANGING}:
        return BreakerStatus(position, None, None, state)
    for name, who in ((OPERATOR_MARK, OPERATOR), (MARK, BREAKER)):
        if name in marks:
            return BreakerStatus(position, who, marks[name], state)
    return BreakerStatus(position, SOMEBODY, None, state)


def open_breaker(
    mapping: EventSourceMapping,
    word: str,
    *,
    seconds: float,
    sleep: Callable[[float], None] = time.sleep,
) -> BreakerStatus:
    """Turn the drain off until `close_breaker`: the probe leaves it alone. Intents wait on the queue meanwhile.

    Safe to repeat; the newest word counts.

    Args:
        mapping: what feeds the drain.
        word: who turns it off and why; what a tag cannot hold is left out of it.
        seconds: how long to wait until Lambda has done so.
        sleep: in place of waiting.

    Returns:
        How the breaker stood before.

    Raises:
        BreakerBusy: the mapping is being changed.
        BreakerUnmarked: it is off, or will be, and AWS refused the mark: should the breaker have tripped before,
            the probe turns it on again.
        BreakerSlow: it is not off yet; it will be, and is marked.
        botocore.exceptions.ClientError: Lambda refused.
    """
    before = breaker_status(mapping)
    if before.state not in {OFF, GOING_OFF}:
        _switch(mapping, on=False)
    try:
        mapping.mark(_NOT_IN_A_TAG.sub(" ", word)[:_LONGEST_MARK].strip(), OPERATOR_MARK)
    except ClientError as error:
        raise BreakerUnmarked("the drain is off, and could not be marked as an operator's doing") from error
    _wait(mapping, OFF, seconds, sleep)
    return before


def close_breaker(
    mapping: EventSourceMapping, *, seconds: float, sleep: Callable[[float], None] = time.sleep
) -> BreakerStatus:
    """Turn the drain on, whoever turned it off, and take every mark away.

    Safe to repeat. If the database is still unwell, the drain trips the breaker again.

    Args:
        mapping: what feeds the drain.
        seconds: how long to wait until Lambda has done so.
        sleep: in place of waiting.

    Returns:
        How the breaker stood before.

    Raises:
        BreakerBusy: the mapping is being changed.
        BreakerSlow: it is not on yet, or the drain has tripped it again at once.
        botocore.exceptions.ClientError: Lambda refused.
    """
    before = breaker_status(mapping)
    if before.state not in {ON, _GOING_ON}:
        _switch(mapping, on=True)
    _wait(mapping, ON, seconds, sleep)
    if not mapping.release(MARK, OPERATOR_MARK):
        raise BreakerSlow("the drain has tripped the breaker again: is the database well?")
    return before


def _position(state: str, marks: dict[str, str]) -> str:
    if state in {OFF, GOING_OFF}:
        return OPEN
    if state == ON:
        return HALF_OPEN if MARK in marks else CLOSED
    return CHANGING


def _switch(mapping: EventSourceMapping, *, on: bool) -> None:
    if not mapping.switch(on=on):
        raise BreakerBusy("the event source mapping is being changed: a deployment may be under way")


def _wait(mapping: EventSourceMapping, wanted: str, seconds: float, sleep: Callable[[float], None]) -> None:
    waited = 0.0
    while (state := mapping.state) != wanted:
        if waited >= seconds:
            raise BreakerSlow(
                f"Lambda has taken the order, and the mapping is still {state} after {seconds:.0f} s"
            )
        sleep(_LOOK_SECONDS)
        waited += _LOOK_SECONDS
