"""What commands print: data on stdout, messages on stderr."""

import json
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import typer

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


def echo_err(text: str) -> None:
    """Print a message on stderr, because stdout is for data alone."""
    typer.echo(text, err=True)


def print_line(values: Mapping[str, Any] | Iterable[object], *, as_json: bool) -> None:
    """Print one line on stdout: a JSON object, or tab-separated text without control characters."""
    line = json.dumps(values) if as_json else "\t".join(escape_control(value) for value in values)
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def escape_control(value: object) -> str:
    """Return a value as text that is safe on a terminal.

    A sender's text may hold line breaks and control sequences. Each of their characters becomes U+FFFD.
    """
    text = "-" if value is None else str(value)
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def format_time(seconds: float) -> str:
    """Format a time, given in seconds since the epoch."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def format_duration(seconds: float) -> str:
    """Format a duration, given in seconds, in its largest unit."""
    for unit, size in (("d", _DAY), ("h", _HOUR), ("m", _MINUTE)):
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{max(int(seconds), 0)}s"


def format_counts(counts: Mapping[Any, int], nothing: str) -> str:
    """Return the counts above 0 in one line, or `nothing` if there are none."""
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count) or nothing
