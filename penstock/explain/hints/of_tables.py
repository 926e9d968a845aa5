"""Hints that the tables of a kind give: foreign keys without an index, and what happens only at COMMIT."""

from collections.abc import Iterator

from sqlalchemy import Connection

from penstock.consumer.modes.base import Bound
from penstock.consumer.modes.requirements import Requirements
from penstock.explain.hints.catalog import (
    ForeignKey,
    find_oid,
    foreign_keys_of,
    foreign_keys_to,
    read_deferred,
    read_sequences,
    read_triggers,
)
from penstock.explain.hints.hint import Hint
from penstock.explain.tree import format_ms


def table_hints(connection: Connection, bound: Bound) -> Iterator[Hint]:
    """Yield the hints of the tables that a kind writes."""
    for requirements in bound.requirements:
        oid = find_oid(connection, requirements.table)
        if oid is None:
            continue
        for key in foreign_keys_to(connection, oid):
            if verb := _reaches(requirements, key):
                yield _incoming(key, verb)
        yield from map(_outgoing, foreign_keys_of(connection, oid))


def deferred_hints(connection: Connection, bound: Bound, ms: float) -> Iterator[Hint]:
    """Yield the constraints and triggers that only COMMIT runs: no plan has their time.

    Args:
        connection: reads the catalogs.
        bound: the kind.
        ms: how long all deferred ones took together, in milliseconds.
    """
    for requirements in bound.requirements:
        oid = find_oid(connection, requirements.table)
        for name in read_deferred(connection, oid) if oid is not None else ():
            yield Hint(
                rule="deferred",
                problem=f"{name!r} runs only at COMMIT, and is in no plan: "
                f"all that is deferred took {format_ms(ms)}",
                way_out="declare it NOT DEFERRABLE, unless rows come before their parents",
                table=requirements.table.fullname,
            )


def side_effects(connection: Connection, bound: Bound) -> Iterator[str]:
    """Yield what executing the statements of a kind does besides writing rows, in sentences."""
    for part in bound.parts:
        if part.deletes and part.table is not None:
            name = part.table.fullname
            yield f"the drain waits with the kinds of {name} until it ends: a deletion locks them out"
    for requirements in bound.requirements:
        oid = find_oid(connection, requirements.table)
        if oid is None:
            continue
        commands = [name for name in requirements.privileges if name != "SELECT"]
        for trigger in read_triggers(connection, oid, commands):
            outside = (
                "what it does outside of this database stays"
                if trigger.trusted
                else f"{trigger.language} can act outside of this database, and that stays"
            )
            yield f"the trigger {trigger.name!r} of {trigger.table} runs {trigger.function}: {outside}"
        if requirements.inserts:
            given = [requirements.table.c[key].name for key in requirements.fields]
            for sequence in read_sequences(connection, oid, given):
                yield f"the sequence {sequence} advances, and stays so"
    if not bound.write.pipelined:
        yield "a function of the service is called: what it does outside of this database stays"


def _reaches(requirements: Requirements, key: ForeignKey) -> str | None:
    """Return what a write does to the parents of a foreign key that has Postgres look for their children."""
    if "DELETE" in requirements.privileges:
        return "deleted"
    updated = {requirements.table.c[name].name for name in requirements.privileges.get("UPDATE", ())}
    return "updated" if updated & key.parent_columns else None


def _incoming(key: ForeignKey, verb: str) -> Hint:
    return Hint(
        rule="foreign-key-index",
        problem=f"for each row of {key.parent} that is {verb}, Postgres reads all of {key.table}, because the "
        f"foreign key {key.name!r} has no index",
        way_out=f"CREATE INDEX CONCURRENTLY ON {key.table} ({', '.join(key.columns)})",
        table=key.table,
    )


def _outgoing(key: ForeignKey) -> Hint:
    index = f"CREATE INDEX CONCURRENTLY ON {key.table} ({', '.join(key.columns)})"
    return Hint(
        rule="foreign-key-index",
        problem=f"the foreign key {key.name!r} of {key.table} has no index: to delete a row of "
        f"{key.parent}, Postgres reads all of {key.table}",
        way_out=f"{index}, unless rows of {key.parent} are never deleted",
        table=key.table,
    )
