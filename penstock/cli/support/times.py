"""Times as options give them, a date and time or a duration before now, and as a terminal shows them."""

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


def parse_when(text: str, now: datetime) -> datetime:
    """Parse a time.

    Args:
        text: a date and time with an offset (RFC 3339), or a duration before `now`: a whole number of seconds,
            minutes, hours or days, such as `90s`, `15m`, `2h`, `7d`.
        now: the current time, with a time zone.

    Returns:
        The time in UTC.

    Raises:
        Failure: the text has neither form, or the time does not exist.
    """
    try:
        if duration := _DURATION.fullmatch(text):
            return (now - timedelta(**{_UNITS[duration[2]]: int(duration[1])})).astimezone(UTC)
        if _TIMESTAMP.fullmatch(text):
            return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (OverflowError, ValueError):
        # A 30th of February, or a time before the year 1.
        pass
    raise Failure(
        f"{text!r} is not a time: give one such as 2026-11-20T10:00:00Z, "
        "or a duration before now such as 90s, 15m, 2h, 7d",
        USAGE,
    )


def relative(text: str, now: datetime) -> str:
    """Return a time as people say it: `3m ago`, `in 13d`.

    Args:
        text: the time in RFC 3339.
        now: the current time, with a time zone.
    """
    seconds = (datetime.fromisoformat(text) - now).total_seconds()
    return f"in {format_duration(seconds)}" if seconds > 0 else f"{format_duration(-seconds)} ago"
