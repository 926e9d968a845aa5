"""Check what a live table does with rows besides storing them: what skips, moves, loses or refuses them."""

from collections.abc import Iterator

from sqlalchemy import Connection

from penstock.consumer.modes.requirements import Requirements
from penstock.consumer.schema_check.catalog import Relation
from penstock.consumer.schema_check.finding import Finding, Severity, fault, warning
from penstock.consumer.schema_check.hazards import read_published, read_rules, read_storage


def hazard_findings(connection: Connection, requirements: Requirements, relation: Relation) -> Iterator[Finding]:
    """Yield what a relation does with the rows of a write besides storing them, without kind and table."""
    commands: set[str] = {name for name in requirements.privileges if name != "SELECT"}
    yield from _trigger_findings(relation, requirements, commands)
    yield from _rule_findings(connection, relation, commands)
    yield from _storage_findings(connection, relation)
    yield from _replication_findings(connection, relation, commands)


def _trigger_findings(relation: Relation, requirements: Requirements, commands: set[str]) -> Iterator[Finding]:
    for trigger in relation.triggers:
        fires = sorted(trigger.commands & commands)
        if not fires:
            continue
        if trigger.instead and requirements.key and requirements.inserts:
            problem = f"the INSTEAD OF trigger {trigger.name!r} leaves ON CONFLICT without a table to look at"
            yield fault(problem, "write to the table behind the view, or append to the view")
        elif trigger.instead:
            problem = f"the INSTEAD OF trigger {trigger.name!r} alone decides what is written"
            yield Finding(severity=Severity.NOTE, problem=problem)
        else:
            where = "" if trigger.table.rpartition(".")[2].strip('"') == relation.name else f" of {trigger.table}"
            yield warning(
                f"the trigger {trigger.name!r}{where} runs before each {' or '.join(fires)} and can skip or "
                "change the row: an intent whose row it skips is still `applied` or `stale` in the ledger",
                "see to it that the trigger never returns NULL and leaves the key and the version as they are; "
                "it may raise an exception, which dead-letters the intent",
            )


def _rule_findings(connection: Connection, relation: Relation, commands: set[str]) -> Iterator[Finding]:
    for rule in read_rules(connection, relation.oid):
        if rule.command in commands:
            yield warning(
                f"the rule {rule.name!r} rewrites each {rule.command}: Postgres refuses most rules in the drain's "
                "statements, and with the others the rows are written elsewhere",
                "drop the rule, and do the same in a trigger",
            )


def _storage_findings(connection: Connection, relation: Relation) -> Iterator[Finding]:
    for part in read_storage(connection, relation.oid):
        if part.unlogged:
            yield warning(
                f"{part.name} is unlogged: a crash empties it, although the ledger says `applied`",
                f"ALTER TABLE {part.name} SET LOGGED",
            )
        if part.foreign:
            yield warning(
                f"another server stores {part.name}: its rows do not commit together with the ledger",
                "write to a table of this database",
            )


def _replication_findings(connection: Connection, relation: Relation, commands: set[str]) -> Iterator[Finding]:
    for part in read_published(connection, relation.oid):
        refused = [word for word, published in (("UPDATE", part.updates), ("DELETE", part.deletes)) if published]
        refused = [word for word in refused if word in commands]
        if refused:
            yield fault(
                f"{part.name} is published and has no replica identity, so Postgres refuses "
                f"{' and '.join(refused)}",
                f"ALTER TABLE {part.name} REPLICA IDENTITY FULL, or give it a primary key",
            )
