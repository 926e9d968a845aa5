"""Times that are given to a command."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from penstock.cli.support.errors import USAGE, Failure
from penstock.cli.support.times import parse_when

NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)
TIMES = {
    "2026-11-20T10:00:00Z": NOW,
    "2026-11-20 10:00:00z": NOW,
    "2026-11-20T11:30:00+01:30": NOW,
    "2026-11-20T10:00:00.123456789Z": NOW.replace(microsecond=123456),
    "0s": NOW,
    "90s": NOW - timedelta(seconds=90),
    "15m": NOW - timedelta(minutes=15),
    "2h": NOW - timedelta(hours=2),
    "7d": NOW - timedelta(days=7),
}
INVALID = [
    *("", " ", "2", "h", "2 h", "-2h", "1.5h", "2h30m", "2w", "2H", "\u0662h", "now", "yesterday"),
    *("2026-11-20", "2026-11-20T10:00:00", "2026-11-20T10:00Z", "20261120T100000Z", "1795168800", "2026-W47-5"),
    *("2026-02-30T10:00:00Z", "2026-11-20T25:00:00Z", "2026-11-20T10:00:00+24:00", "2026-11-20T10:00:00Z\n"),
    *("0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00", "9999999d", "9" * 400 + "s", "9" * 5000 + "d"),
]


@pytest.mark.parametrize("text", TIMES)
def test_times(text: str) -> None:
    """A timestamp of RFC 3339 and a duration before now become times in UTC."""
    found = parse_when(text, NOW)
    assert (found, found.tzinfo) == (TIMES[text], UTC)


@pytest.mark.parametrize("text", INVALID, ids=lambda text: text[:20])
def test_invalid_times(text: str) -> None:
    """An ambiguous time is refused, and the error shows both valid forms."""
    with pytest.raises(Failure, match="is not a time: give one such as") as caught:
        parse_when(text, NOW)
    assert caught.value.code == USAGE


def test_the_zone_of_the_clock_does_not_matter() -> None:
    """A duration counts back from the time itself, not from the wall clock."""
    assert parse_when("2h", NOW.astimezone(timezone(timedelta(hours=9)))) == NOW - timedelta(hours=2)
