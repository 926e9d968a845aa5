"""Dead letters as rows: a table for a terminal, tab-separated text for a pipe, JSON lines for a program."""

import json
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from penstock.deadletters import DeadLetterMessage

Row = Mapping[str, Any]

_COLUMNS = (
    "message_id",
    "id",
    "kind",
    "fault",
    "detail",
    "fingerprint",
    "receive_count",
    "replays",
    "sent_at",
    "expires_at",
)
_ORIGINS = {"sqs": "moved by SQS: received too often", "other": "not an intent: from another program"}
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


def row_of(found: DeadLetterMessage, retention_seconds: int, *, reveal: bool) -> Row:
    """Write down one dead letter; its body only if it is to be revealed."""
    letter, message = found.letter, found.message
    row = {
        "message_id": message.message_id,
        "id": found.id,
        "kind": found.kind,
        "origin": str(found.origin),
        "fault": letter.fault if letter else None,
        "reason": letter.reason if letter else None,
        "detail": letter.detail if letter else None,
        "sqlstate": letter.sqlstate if letter else None,
        "fingerprint": letter.fingerprint if letter else None,
        "receive_count": message.receive_count,
        "replays": found.replays,
        "sent_at": format_time(message.sent_at),
        "expires_at": format_time(message.sent_at + retention_seconds),
    }
    return row | {"body": message.body} if reveal else row


def show(rows: Iterable[Row], *, as_json: bool, reveal: bool) -> int:
    """Write rows to stdout as suits whoever reads it; a table waits for the last row, lines do not.

    Returns:
        How many there were.
    """
    if not as_json and sys.stdout.isatty():
        return _table(list(rows), reveal=reveal)
    columns = (*_COLUMNS, "body") if reveal else _COLUMNS
    count = 0
    for count, row in enumerate(rows, 1):
        if count == 1 and not as_json:
            print_line(columns, as_json=False)
        print_line(row if as_json else [_cell(row, name) for name in columns], as_json=as_json)
    return count


def print_line(values: Row | Iterable[object], *, as_json: bool) -> None:
    """Write one line to stdout: a JSON object, or harmless text between tabs."""
    line = json.dumps(values) if as_json else "\t".join(escape_control(value) for value in values)
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def escape_control(value: object) -> str:
    """Write a value for a terminal: what a sender made up may hold line breaks and control sequences."""
    text = "-" if value is None else str(value)
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def _cell(row: Row, name: str) -> object:
    return row[name] if name != "detail" else row["detail"] or _ORIGINS.get(row["origin"])


def _table(rows: list[Row], *, reveal: bool) -> int:
    table = Table(header_style="bold")
    table.add_column("intent id\nmessage id\nfingerprint", no_wrap=True, min_width=36)
    table.add_column("kind", overflow="fold")
    table.add_column("cause", overflow="fold")
    table.add_column("receives", justify="right")
    table.add_column("age", justify="right", no_wrap=True)
    table.add_column("expires in", justify="right", no_wrap=True)
    if reveal:
        table.add_column("body", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in _cells(row, reveal=reveal)))
    if rows:
        Console().print(table)
    return len(rows)


def _cells(row: Row, *, reveal: bool) -> list[str]:
    now = datetime.now(UTC)
    cause = " ".join(str(part) for part in (row["fault"], _cell(row, "detail")) if part)
    cells = [
        "\n".join(escape_control(row[name]) for name in ("id", "message_id", "fingerprint")),
        escape_control(row["kind"]),
        escape_control(cause),
        str(row["receive_count"]),
        format_duration((now - datetime.fromisoformat(row["sent_at"])).total_seconds()),
        format_duration((datetime.fromisoformat(row["expires_at"]) - now).total_seconds()),
    ]
    return [*cells, escape_control(row["body"])] if reveal else cells


def format_time(seconds: float) -> str:
    """Write a time, given in seconds since the epoch."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def format_duration(seconds: float) -> str:
    """Write a length of time in its largest unit."""
    for unit, size in (("d", _DAY), ("h", _HOUR), ("m", _MINUTE)):
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{max(int(seconds), 0)}s"
