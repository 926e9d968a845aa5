"""Dead letters as rows: a table for a terminal, tab-separated text for a pipe, JSON lines for a program."""

import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from penstock.cli.support.output import escape_control, format_duration, format_time, print_line
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


def row_of(found: DeadLetterMessage, retention_seconds: int, *, reveal: bool) -> Row:
    """Return one dead letter as a row; it has the body only if `reveal` is set."""
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
    """Print rows on stdout in the form that suits the reader.

    A terminal gets a table, which is printed after the last row. A pipe gets each line at once.

    Returns:
        The number of rows.
    """
    if not as_json and sys.stdout.isatty():
        return _print_table(list(rows), reveal=reveal)
    columns = (*_COLUMNS, "body") if reveal else _COLUMNS
    count = 0
    for count, row in enumerate(rows, 1):
        if count == 1 and not as_json:
            print_line(columns, as_json=False)
        print_line(row if as_json else [_cell(row, name) for name in columns], as_json=as_json)
    return count


def _cell(row: Row, name: str) -> object:
    return row[name] if name != "detail" else row["detail"] or _ORIGINS.get(row["origin"])


def _print_table(rows: list[Row], *, reveal: bool) -> int:
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
        table.add_row(*(Text(cell) for cell in _table_cells(row, reveal=reveal)))
    if rows:
        Console().print(table)
    return len(rows)


def _table_cells(row: Row, *, reveal: bool) -> list[str]:
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
