"""Dead letters, counted by what they have in common."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from penstock.deadletters.message import DeadLetterMessage

MOST_GROUPS: Final = 10_000
"""Groups that are told apart: kinds are whatever a sender writes. Everything beyond is counted as one more."""

_LONGEST_VALUE: Final = 200
"""Characters of a value: a kind of our own has fewer, and anybody may write a longer one."""

_AGES = ((3600.0, "under 1 h"), (86_400.0, "under 1 d"), (604_800.0, "under 7 d"))
_OLDEST = "7 d and more"


class By(StrEnum):
    """What dead letters may be counted by."""

    KIND = "kind"
    FAULT = "fault"
    FINGERPRINT = "fingerprint"
    AGE = "age"


@dataclass(slots=True)
class StatsGroup:
    """Dead letters that have something in common.

    Attributes:
        values: what they have in common; None where a message does not say. Of the last group, of all that went
            beyond `MOST_GROUPS`, nothing.
        count: how many there are.
        oldest: when SQS took the first of them, in seconds since the epoch.
        newest: when SQS took the last of them, in seconds since the epoch.
        detail: the cause of one of them, as one line.
    """

    values: dict[By, str | None]
    count: int
    oldest: float
    newest: float
    detail: str | None

    def add(self, found: DeadLetterMessage) -> None:
        """Count one more."""
        self.count += 1
        self.oldest = min(self.oldest, found.message.sent_at)
        self.newest = max(self.newest, found.message.sent_at)


def count_by(found: Iterable[DeadLetterMessage], by: Sequence[By], now: float) -> list[StatsGroup]:
    """Count dead letters.

    Args:
        found: the dead letters, each of which is let go.
        by: what to tell them apart by.
        now: the time that ages are of, in seconds since the epoch.

    Returns:
        The groups, the largest first.
    """
    groups: dict[tuple[str | None, ...], StatsGroup] = {}
    for one in found:
        values = tuple(_value(one, what, now) for what in by)
        if values not in groups and len(groups) >= MOST_GROUPS:
            values = ()
        group = groups.get(values)
        if group is None:
            named = dict(zip(by, values, strict=True)) if values else {}
            sent_at = one.message.sent_at
            groups[values] = StatsGroup(
                named, 1, sent_at, sent_at, one.letter.detail if one.letter and values else None
            )
        else:
            group.add(one)
    return sorted(groups.values(), key=lambda group: (-group.count, group.oldest))


def _value(found: DeadLetterMessage, what: By, now: float) -> str | None:
    value = _said(found, what, now)
    return value and value[:_LONGEST_VALUE]


def _said(found: DeadLetterMessage, what: By, now: float) -> str | None:
    letter = found.letter
    match what:
        case By.KIND:
            return found.kind
        case By.FAULT:
            return letter.reason if letter else found.origin
        case By.FINGERPRINT:
            return letter.fingerprint if letter else None
        case By.AGE:
            return next((name for limit, name in _AGES if now - found.message.sent_at < limit), _OLDEST)
