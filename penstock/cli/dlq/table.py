"""Dead letters as rows of a listing, one by one or under their causes."""

from datetime import UTC, datetime
from typing import Final

from penstock.cli.support.column import Column, Row
from penstock.cli.support.listing import Listing
from penstock.cli.support.output import format_time
from penstock.cli.support.times import relative
from penstock.deadletters import DeadLetterMessage

ORIGINS: Final = {"sqs": "moved by SQS: received too often", "other": "not an intent: from another program"}
"""What takes the place of a cause that the drain has not written down."""
_SHORT: Final = 8
"""The characters of a fingerprint on a terminal. Selectors accept them in place of all twelve."""


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


def letter_listing(*, as_json: bool, reveal: bool, wide: bool) -> Listing:
    """Return the listing of such rows: on a terminal they are under their causes, unless `wide` is set."""
    body = [Column(name="body", below=True)] if reveal else []
    if wide:
        return Listing([*_COLUMNS, *body], as_json=as_json)
    on_terminal = [*_UNDER_A_CAUSE, *body]
    return Listing([*_COLUMNS, *body], as_json=as_json, on_terminal=on_terminal, cause=_cause)


def short(fingerprint: str | None) -> str | None:
    """Return a fingerprint as a terminal shows it."""
    return fingerprint and fingerprint[:_SHORT]


def time_column(name: str, title: str, rank: int = 0) -> Column:
    """Return the column of a time, which is relative on a terminal."""
    return Column(
        name=name, title=title, whole=True, rank=rank, shown=lambda row: relative(row[name], datetime.now(UTC))
    )


def _detail(row: Row) -> str | None:
    return row["detail"] or ORIGINS.get(row["origin"])


def _cause(row: Row) -> tuple[str, ...]:
    """Return the lines that dead letters of one cause have in common."""
    fingerprint = row["fingerprint"] and f"fingerprint {short(row['fingerprint'])}"
    return ", ".join(filter(None, (row["kind"] or "no kind", row["fault"], fingerprint))), _detail(row) or "-"


_COLUMNS: Final = (
    Column(name="message_id", whole=True),
    Column(name="id", whole=True),
    Column(name="kind"),
    Column(name="fault"),
    Column(name="detail", of=_detail),
    Column(name="fingerprint", shown=lambda row: short(row["fingerprint"])),
    Column(name="receive_count", title="receives", right=True),
    Column(name="replays", right=True),
    time_column("sent_at", "sent"),
    time_column("expires_at", "expires"),
)
_UNDER_A_CAUSE: Final = (
    Column(name="id", title="intent", whole=True, bare=True, shown=lambda row: row["id"] or row["message_id"]),
    Column(name="receive_count", title="receives", right=True, rank=2),
    Column(name="replays", right=True, rank=1, shown=lambda row: row["replays"] or None),
    time_column("sent_at", "sent"),
    time_column("expires_at", "expires"),
    Column(name="message_id", whole=True, rank=3, shown=lambda row: row["id"] and row["message_id"]),
)
