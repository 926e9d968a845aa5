"""Tombstones: which rows have been deleted, and at which version, so that no older upsert brings them back."""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    DateTime,
    FromClause,
    MetaData,
    Table,
    Text,
    exists,
    func,
    not_,
)
from sqlalchemy.dialects.postgresql import JSONB

from penstock.consumer.mapping.collation import cast_to_column
from penstock.consumer.modes.base import Bound
from penstock.consumer.modes.canonical import canonical
from penstock.database.ledger import SCHEMA

tombstone = Table(
    "tombstone",
    MetaData(schema=SCHEMA),
    Column("target", Text, primary_key=True),
    Column("key", JSONB, primary_key=True),
    Column("version", Text, nullable=False),
    Column(
        "buried_at",
        DateTime(timezone=True),
        key="deleted_at",
        nullable=False,
        server_default=func.pg_catalog.now(),
    ),
)


def key_as_json(table: Table, rows: FromClause, key: Sequence[str]) -> ColumnElement[Any]:
    """Return the key of a row as tombstones have it: a JSON array, the same for all keys that are equal."""
    form = (canonical(rows.c[name], table.c[name].type) for name in key)
    return func.pg_catalog.jsonb_build_array(*form, type_=JSONB())


def not_deleted(table: Table, rows: FromClause, key: Sequence[str], version: str) -> ColumnElement[bool]:
    """Return the condition that a row has not been deleted at its version or a later one."""
    type_ = table.c[version].type
    return not_(
        exists().where(
            tombstone.c.target == table.fullname,
            tombstone.c.key == key_as_json(table, rows, key),
            cast_to_column(tombstone.c.version, type_) >= rows.c[version],
        )
    )


def lock_deletable_tables(connection: Connection, writes: Sequence[Bound]) -> None:
    """Lock the tables whose rows are deleted, until the transaction ends; see `deletable_locks`."""
    for statement in deletable_locks(writes):
        connection.exec_driver_sql(statement)


def deletable_locks(writes: Sequence[Bound]) -> Iterator[str]:
    """Yield the statements that lock the tables whose rows are deleted, until the transaction ends.

    A transaction does not see what another one has not committed: one could insert a row again while another one
    writes its tombstone. So a batch that deletes takes an exclusive lock, and upserts take a shared lock. Tables
    are locked in the order of their lock keys, so that no two batches wait for each other in a circle.

    Args:
        writes: the kinds that the transaction will write.
    """
    exclusive: dict[int, bool] = {}
    for part in (part for bound in writes for part in bound.parts):
        if part.deletable and part.table is not None:
            key = _lock_key(part.table)
            exclusive[key] = exclusive.get(key, False) or part.deletes
    for key, is_exclusive in sorted(exclusive.items()):
        yield f"SELECT pg_catalog.pg_advisory_xact_lock{'' if is_exclusive else '_shared'}({key})"


def _lock_key(table: Table) -> int:
    digest = hashlib.sha256(f"penstock {table.fullname}".encode()).digest()
    return int.from_bytes(digest[:8], signed=True)
