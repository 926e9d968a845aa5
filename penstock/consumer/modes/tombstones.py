"""Tombstones: which rows have been deleted, and as of which version, so that nothing older brings them back."""

import hashlib
from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    DateTime,
    FromClause,
    MetaData,
    Table,
    Text,
    cast,
    exists,
    func,
    literal,
    not_,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB

from penstock.consumer.modes.base import Bound
from penstock.database.ledger import SCHEMA

tombstone = Table(
    "tombstone",
    MetaData(schema=SCHEMA),
    Column("target", Text, primary_key=True),
    Column("key", JSONB, primary_key=True),
    Column("version", Text, nullable=False),
    Column("buried_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)


def key_of(rows: FromClause, key: Sequence[str]) -> ColumnElement[Any]:
    """Return the key of a row as tombstones have it."""
    return func.jsonb_build_array(*(rows.c[name] for name in key), type_=JSONB())


def not_deleted(table: Table, rows: FromClause, key: Sequence[str], version: str) -> ColumnElement[bool]:
    """Say that a row has not been deleted as of its version or a later one."""
    type_ = table.c[version].type
    return not_(
        exists().where(
            tombstone.c.target == table.fullname,
            tombstone.c.key == key_of(rows, key),
            cast(tombstone.c.version, type_) >= rows.c[version],
        )
    )


def lock_deletable_tables(connection: Connection, writes: Sequence[Bound]) -> None:
    """Keep deletions and upserts of the same table apart until the transaction ends.

    Neither of two transactions sees what the other one has not committed: a row could be written anew by one while
    the other makes its tombstone. Upserts share the lock; a batch that deletes has it for itself. The tables are
    locked in the order of their keys, so that no two batches wait for each other in a circle.
    """
    wanted: dict[int, bool] = {}
    for bound in writes:
        if bound.mortal and bound.table is not None:
            key = _lock_key(bound.table)
            wanted[key] = wanted.get(key, False) or bound.deletes
    for key, alone in sorted(wanted.items()):
        lock = func.pg_advisory_xact_lock if alone else func.pg_advisory_xact_lock_shared
        connection.execute(select(lock(literal(key, BigInteger))))


def _lock_key(table: Table) -> int:
    digest = hashlib.sha256(f"penstock {table.fullname}".encode()).digest()
    return int.from_bytes(digest[:8], signed=True)
