"""Holds: kinds whose intents are not written for now, and the intents that wait for their release.

While a kind is held, the drain parks its intents in the table `held`. It locks the row of the hold as it does so:
a release begins only after every transaction that parks has ended, and no other one can park after that.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import JSON, Column, Connection, Date, DateTime, MetaData, Table, Text, Uuid, func, text

from penstock.database.ledger import SCHEMA
from penstock.database.operations import DONE, operation

_metadata = MetaData(schema=SCHEMA)
_NOW: Final = func.pg_catalog.clock_timestamp()

hold = Table(
    "hold",
    _metadata,
    Column("kind", Text, primary_key=True),
    Column("reason", Text),
    Column("held_by", Text, nullable=False),
    Column("held_at", DateTime(timezone=True), nullable=False, server_default=_NOW),
    Column("releasing_at", DateTime(timezone=True)),
)
"""The kinds that are held. A kind that is being released is not held any more."""

held = Table(
    "held",
    _metadata,
    Column("message_id", Text, primary_key=True),
    Column("id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("attributes", JSON, nullable=False),
    Column("message_group", Text),
    Column("payload_at", Date),
    Column("parked_at", DateTime(timezone=True), nullable=False, server_default=_NOW),
)
"""The intents that are parked, one row for each message. The migration adds `position`, the order of arrival."""


_PAGE_BYTES: Final = 500_000
"""A page ends with the message that exceeds this: with its escapes it fits in the 6 MB of an answer of Lambda."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A kind that is held, or whose release has not ended.

    Attributes:
        kind: the kind.
        count: how many messages are parked.
        oldest_at: when the first of them was parked; None if there is none.
        reason: the operator's reason, if one was given.
        held_by: the operator; None if only parked messages are left of the hold.
        held_at: when the hold began.
        releasing_at: when its release began; None while the kind is held.
        payload_at: the day on which the oldest payload in the bucket of large intents was made; None if there is
            none.
    """

    kind: str
    count: int
    oldest_at: datetime | None
    reason: str | None
    held_by: str | None
    held_at: datetime | None
    releasing_at: datetime | None
    payload_at: date | None


@dataclass(frozen=True, slots=True)
class Parked:
    """A parked message.

    Attributes:
        message_id: the id that SQS gave it.
        body: its text.
        attributes: its attributes, in the form in which the drain stored them.
        group: its message group, if it has one.
    """

    message_id: str
    body: str
    attributes: Mapping[str, Any]
    group: str | None


_EXISTS = text("SELECT pg_catalog.to_regclass('penstock.hold') IS NOT NULL")
_LIST = text(
    """
    SELECT kind, COALESCE(count, 0) AS count, oldest_at, reason, held_by, held_at, releasing_at, payload_at
      FROM penstock.hold
      FULL JOIN (SELECT kind, pg_catalog.count(*) AS count, pg_catalog.min(parked_at) AS oldest_at,
                        pg_catalog.min(payload_at) AS payload_at
                   FROM penstock.held GROUP BY kind) AS parked USING (kind)
     ORDER BY kind
    """
)
_HELD_KINDS = text("SELECT kind FROM penstock.hold WHERE releasing_at IS NULL")
_LOCK_KINDS = text(
    "SELECT kind FROM penstock.hold WHERE releasing_at IS NULL AND kind = ANY (:kinds) ORDER BY kind FOR SHARE"
)
_PARK = text(
    """
    INSERT INTO penstock.held (message_id, id, kind, body, attributes, message_group, payload_at)
    SELECT message_id, id, kind, body, attributes, message_group, payload_at
      FROM ROWS FROM (pg_catalog.json_to_recordset(:rows) AS (
           message_id text, id uuid, kind text, body text, attributes json, message_group text, payload_at date
      )) WITH ORDINALITY
     ORDER BY ordinality
    ON CONFLICT DO NOTHING
    """
)
_SET = text(
    """
    INSERT INTO penstock.hold (kind, reason, held_by) VALUES (:kind, :reason, :actor)
    ON CONFLICT (kind) DO UPDATE
       SET reason = excluded.reason, held_by = excluded.held_by, releasing_at = NULL,
           held_at = CASE WHEN hold.releasing_at IS NULL THEN hold.held_at ELSE pg_catalog.clock_timestamp() END
    """
)
_BEGIN_RELEASE = text(
    "UPDATE penstock.hold SET releasing_at = COALESCE(releasing_at, pg_catalog.clock_timestamp())"
    " WHERE kind = :kind"
)
_IS_HELD = text("SELECT EXISTS (SELECT FROM penstock.hold WHERE kind = :kind AND releasing_at IS NULL)")
_PAGE = text(
    """
    SELECT message_id, body, attributes, message_group
      FROM (SELECT *, pg_catalog.sum(pg_catalog.octet_length(body)) OVER (ORDER BY position) AS bytes
              FROM (SELECT * FROM penstock.held WHERE kind = :kind ORDER BY position LIMIT :size) AS first) AS page
     WHERE bytes - pg_catalog.octet_length(body) < :bytes
     ORDER BY position
    """
)
_FORGET = text("DELETE FROM penstock.held WHERE message_id = ANY (:ids)")
_END_RELEASE = text(
    "DELETE FROM penstock.hold WHERE kind = :kind AND releasing_at IS NOT NULL"
    " AND NOT EXISTS (SELECT FROM penstock.held WHERE kind = :kind)"
)
_IS_PARKED = text("SELECT EXISTS (SELECT FROM penstock.held WHERE id = :id)")


def list_holds(connection: Connection) -> list[Hold]:
    """Return the holds, by kind; none if the database does not have their tables yet.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database refused the statement, or cannot be reached.
    """
    if not connection.execute(_EXISTS).scalar_one():
        return []
    return [Hold(**row) for row in connection.execute(_LIST).mappings()]


def held_kinds(connection: Connection) -> frozenset[str]:
    """Return the kinds that are held.

    Raises:
        sqlalchemy.exc.ProgrammingError: the role may not read the table, or there is none.
    """
    return frozenset(connection.scalars(_HELD_KINDS))


def lock_held(connection: Connection, kinds: Collection[str]) -> frozenset[str]:
    """Return those of the kinds that are held; their release waits until the transaction has ended."""
    return frozenset(connection.scalars(_LOCK_KINDS, {"kinds": sorted(kinds)}))


def park(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Park messages, in their order. A message that is parked already stays as it is.

    Args:
        connection: in a transaction that has locked the hold.
        rows: the columns of each message, as values that JSON can hold.
    """
    if rows:
        connection.execute(_PARK, {"rows": json.dumps(rows)})


def is_parked(connection: Connection, id_: UUID) -> bool:
    """Return whether an intent waits for the release of its kind."""
    return bool(connection.execute(_EXISTS).scalar_one()) and bool(
        connection.execute(_IS_PARKED, {"id": id_}).scalar_one()
    )


def set_hold(connection: Connection, kind: str, reason: str | None, actor: str) -> None:
    """Hold a kind, and record who did it. A release that is under way ends."""
    connection.execute(_SET, {"kind": kind, "reason": reason, "actor": actor})
    _record(connection, "hold", actor, {"kind": kind, "reason": reason}, {})


def begin_release(connection: Connection, kind: str) -> bool:
    """Let the drain write a kind again; return whether the kind was held or messages are parked.

    It waits until no transaction parks intents of the kind any more.
    """
    found = connection.execute(_BEGIN_RELEASE, {"kind": kind}).rowcount > 0
    return found or bool(page_parked(connection, kind, 1))


def is_held(connection: Connection, kind: str) -> bool:
    """Return whether a kind is held."""
    return bool(connection.execute(_IS_HELD, {"kind": kind}).scalar_one())


def page_parked(connection: Connection, kind: str, size: int) -> list[Parked]:
    """Return the messages of a kind that were parked first: so many at most, and a few megabytes."""
    page = connection.execute(_PAGE, {"kind": kind, "size": size, "bytes": _PAGE_BYTES})
    return [Parked(*row) for row in page]


def forget(connection: Connection, message_ids: Collection[str]) -> None:
    """Delete parked messages, which SQS has acknowledged."""
    connection.execute(_FORGET, {"ids": list(message_ids)})


def end_release(connection: Connection, kind: str, actor: str, sent: int) -> bool:
    """Delete the hold of a kind if nothing is parked, and record the release; return whether it has ended.

    A hold that was set again during the release stays.
    """
    ended = not page_parked(connection, kind, 1)
    if ended:
        connection.execute(_END_RELEASE, {"kind": kind})
        _record(connection, "release", actor, {"kind": kind}, {"released": sent})
    return ended


def _record(
    connection: Connection, action: str, actor: str, selection: Mapping[str, Any], counts: Mapping[str, int]
) -> None:
    ended = {"ended_at": _NOW, "outcome": DONE, "counts": dict(counts)}
    values = {"id": uuid4(), "action": action, "actor": actor, "selection": dict(selection), **ended}
    connection.execute(operation.insert().values(values))
