"""Counts of dead letters by kind, fault, fingerprint or age."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from penstock.deadletters.message import DeadLetterMessage

MAX_GROUPS: Final = 10_000
"""The maximum number of groups, because a sender may write any kind. Further dead letters form one more group."""

_MAX_VALUE_LENGTH: Final = 200
"""In characters. The kinds of a service are shorter; a sender may write a longer one."""

_AGES = ((3600.0, "under 1 h"), (86_400.0, "under 1 d"), (604_800.0, "under 7 d"))
_OLDEST = "7 d and more"


class By(StrEnum):
    """The properties that dead letters can be counted by."""

    KIND = "kind"
    FAULT = "fault"
    FINGERPRINT = "fingerprint"
    AGE = "age"


@dataclass(slots=True)
class StatsGroup:
    """Dead letters with the same values.

    Attributes:
        values: the values that they have in common; None where a message has no such value. Empty for the group of
            all dead letters beyond `MAX_GROUPS`.
        count: how many there are.
        oldest: when SQS accepted the first of them, in seconds since the epoch.
        newest: when SQS accepted the last of them, in seconds since the epoch.
        detail: the cause of one of them, in one line.
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
        found: the dead letters; none is kept in memory.
        by: the properties to group by.
        now: the time to compute ages from, in seconds since the epoch.

    Returns:
        The groups, the largest first.
    """
    groups: dict[tuple[str | None, ...], StatsGroup] = {}
    for one in found:
        values = tuple(_value(one, property_, now) for property_ in by)
        if values not in groups and len(groups) >= MAX_GROUPS:
            values = ()
        group = groups.get(values)
        if group is None:
            by_name = dict(zip(by, values, strict=True)) if values else {}
            sent_at = one.message.sent_at
            detail = one.letter.detail if one.letter and values else None
            groups[values] = StatsGroup(by_name, 1, sent_at, sent_at, detail)
        else:
            group.add(one)
    return sorted(groups.values(), key=lambda group: (-group.count, group.oldest))


def _value(found: DeadLetterMessage, property_: By, now: float) -> str | None:
    value = _full_value(found, property_, now)
    return value and value[:_MAX_VALUE_LENGTH]


def _full_value(found: DeadLetterMessage, property_: By, now: float) -> str | None:
    letter = found.letter
    match property_:
        case By.KIND:
            return found.kind
        case By.FAULT:
            return letter.reason if letter else found.origin
        case By.FINGERPRINT:
            return letter.fingerprint if letter else None
        case By.AGE:
            return next((name for limit, name in _AGES if now - found.message.sent_at < limit), _OLDEST)
