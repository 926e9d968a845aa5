"""Moments as people give them to a command: written out, or so long ago."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from penstock.cli.support.errors import USAGE, Failure

_WRITTEN_OUT: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})",
    re.IGNORECASE,
)
_SPAN: Final = re.compile(r"([0-9]+)([smhd])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def parse_when(text: str, now: datetime) -> datetime:
    """Read a moment.

    Args:
        text: a date and time with an offset, as RFC 3339 writes it, or a length of time before `now`: a whole
            number of seconds, minutes, hours or days, such as `90s`, `15m`, `2h`, `7d`.
        now: aware, what a length of time counts back from.

    Returns:
        The moment, in UTC.

    Raises:
        Failure: it is neither, or no moment that there is.
    """
    try:
        if format_duration := _SPAN.fullmatch(text):
            return (now - timedelta(**{_UNITS[format_duration[2]]: int(format_duration[1])})).astimezone(UTC)
        if _WRITTEN_OUT.fullmatch(text):
            return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (OverflowError, ValueError):
        # A 30th of February, or a time before the year 1.
        pass
    raise Failure(f"{text!r} is no moment: give one such as 2026-11-20T10:00:00Z, or 90s, 15m, 2h, 7d ago", USAGE)
