"""Times as options give them, a date and time or a duration, and as a terminal shows them."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from penstock.cli.support.errors import USAGE, Failure
from penstock.cli.support.output import format_duration

_TIMESTAMP: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})",
    re.IGNORECASE,
)
_DURATION: Final = re.compile(r"([0-9]+)([smhd])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def parse_when(text: str, now: datetime, *, ahead: bool = False) -> datetime:
    """Parse a time.

    Args:
        text: a date and time with an offset (RFC 3339), or a duration before `now`: a whole number of seconds,
            minutes, hours or days, such as `90s`, `15m`, `2h`, `7d`.
        now: the current time, with a time zone.
        ahead: whether a duration is one after `now`.

    Returns:
        The time in UTC.

    Raises:
        Failure: the text has neither form, or the time does not exist.
    """
    try:
        if (duration := _duration(text)) is not None:
            return (now + duration if ahead else now - duration).astimezone(UTC)
        if _TIMESTAMP.fullmatch(text):
            return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (OverflowError, ValueError):
        # A 30th of February, or a time before the year 1.
        pass
    raise Failure(
        f"{text!r} is not a time: give one such as 2026-11-20T10:00:00Z, "
        f"or a duration {'from now' if ahead else 'before now'} such as 90s, 15m, 2h, 7d",
        USAGE,
    )


def parse_duration(text: str) -> timedelta:
    """Parse a duration: a whole number of seconds, minutes, hours or days, such as `90s`, `15m`, `2h`, `7d`.

    Raises:
        Failure: it is none, or it is too long.
    """
    duration = _duration(text)
    if duration is None:
        raise Failure(f"{text!r} is not a duration: give one such as 90s, 15m, 2h, 7d", USAGE)
    return duration


def _duration(text: str) -> timedelta | None:
    given = _DURATION.fullmatch(text)
    try:
        return timedelta(**{_UNITS[given[2]]: int(given[1])}) if given else None
    except (OverflowError, ValueError):
        # Too long, or of more digits than Python reads.
        return None


def relative(text: str, now: datetime) -> str:
    """Return a time as people say it: `3m ago`, `in 13d`.

    Args:
        text: the time in RFC 3339.
        now: the current time, with a time zone.
    """
    seconds = (datetime.fromisoformat(text) - now).total_seconds()
    return f"in {format_duration(seconds)}" if seconds > 0 else f"{format_duration(-seconds)} ago"
