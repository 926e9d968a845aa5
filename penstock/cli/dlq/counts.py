"""The counts that `penstock dlq stats` prints, and the command that follows."""

import time
from collections.abc import Mapping, Sequence
from shlex import quote
from typing import Any, Final

from penstock.cli.dlq.table import ORIGINS, short, time_column
from penstock.cli.support.column import Column
from penstock.cli.support.errors import USAGE, Failure
from penstock.cli.support.listing import print_rows
from penstock.cli.support.options import Target
from penstock.cli.support.output import echo_err, escape_control, format_counts, format_duration, format_time
from penstock.deadletters import Origin
from penstock.deadletters.stats import By, StatsGroup

_OTHERS: Final = "(others)"
_ORIGINS: Final = {Origin.DRAIN: "from the drain", Origin.SQS: "moved by SQS", Origin.OTHER: "from other programs"}


def parse_by(text: str) -> list[By]:
    """Parse the value of `--by`.

    Raises:
        Failure: a word is no property.
    """
    try:
        return list(dict.fromkeys(By(word.strip()) for word in text.split(",")))
    except ValueError:
        raise Failure(
            f"--by: {text!r} is not valid: give any of {', '.join(By)}, separated by commas", USAGE
        ) from None


def print_groups(
    groups: Sequence[StatsGroup], dimensions: Sequence[By], retention_seconds: int, *, as_json: bool
) -> None:
    """Print the groups on stdout.

    Args:
        groups: the groups, the largest first.
        dimensions: the properties that they were grouped by.
        retention_seconds: how long the queue keeps a message.
        as_json: whether to print JSON.
    """
    rows = (_row(group, dimensions, retention_seconds) for group in groups)
    print_rows(rows, _columns(dimensions), as_json=as_json)


def report_groups(
    total: str, groups: Sequence[StatsGroup], origins: Mapping[str, int], retention_seconds: int, at: Target
) -> None:
    """Print the sum of the groups on stderr, and the command that follows for the largest.

    Args:
        total: the sum, in words.
        groups: the groups, the largest first; one at least.
        origins: how many dead letters have each origin.
        retention_seconds: how long the queue keeps a message.
        at: the options that name the stage.
    """
    left = min(group.oldest for group in groups) + retention_seconds - time.time()
    parts = format_counts({text: origins.get(origin, 0) for origin, text in _ORIGINS.items()}, "")
    echo_err(f"{total} ({parts}); the oldest expires in {format_duration(left)}.")
    echo_err(f"next: {_follow_up(groups[0])}{at.words}")


def _columns(dimensions: Sequence[By]) -> list[Column]:
    known = {
        By.KIND: Column(name="kind", bare=True),
        By.FAULT: Column(name="fault", bare=True),
        By.FINGERPRINT: Column(name="fingerprint", shown=lambda row: short(row["fingerprint"])),
        By.AGE: Column(name="age"),
    }
    return [
        Column(name="count", right=True),
        *(known[one] for one in dimensions),
        Column(name="detail", title="cause", bare=True, below=True, of=_detail, shown=_cause),
        time_column("oldest", "oldest", rank=1),
        time_column("newest", "newest", rank=2),
        time_column("expires_at", "expires"),
    ]


def _detail(row: Mapping[str, Any]) -> str | None:
    return row["detail"] or ORIGINS.get(row.get("fault") or "")


def _cause(row: Mapping[str, Any]) -> str | None:
    """Return the detail without the reason at its beginning, if that is in a column of its own."""
    detail = _detail(row)
    return (detail and detail.removeprefix(row.get("fault") or "").removeprefix(": ")) or None


def _row(group: StatsGroup, dimensions: Sequence[By], retention_seconds: int) -> dict[str, Any]:
    return {
        "count": group.count,
        **{name.value: group.values.get(name, _OTHERS) for name in dimensions},
        "detail": group.detail,
        "oldest": format_time(group.oldest),
        "newest": format_time(group.newest),
        "expires_at": format_time(group.oldest + retention_seconds),
    }


def _follow_up(group: StatsGroup) -> str:
    """Return the command that says more about a group. Its values may be a sender's, so they are quoted."""
    values = group.values
    if values.get(By.FAULT) == Origin.OTHER:
        return f"penstock dlq list --fault {Origin.OTHER}"
    if fingerprint := values.get(By.FINGERPRINT):
        return f"penstock dlq replay --fingerprint {quote(escape_control(short(fingerprint)))} --trial"
    given = [
        f" --{one} {quote(escape_control(value))}" for one in (By.KIND, By.FAULT) if (value := values.get(one))
    ]
    return f"penstock dlq replay{''.join(given)} --trial" if given else "penstock dlq list"
