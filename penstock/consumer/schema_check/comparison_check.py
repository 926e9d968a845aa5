"""Check that the columns by which rows are found and ordered compare in the database as in the drain's statements.

A batch is folded by its keys and versions before it is written. That happens with the declared types. If the
live column compares in another way, two rows of a batch could be one row of the table.
"""

from collections.abc import Iterator

from sqlalchemy import Column, Connection

from penstock.consumer.mapping.bind_processing import postgres_type
from penstock.consumer.modes.requirements import Requirements
from penstock.consumer.schema_check.catalog import LiveColumn
from penstock.consumer.schema_check.finding import Finding, Severity
from penstock.consumer.schema_check.live_type import LiveType

_ALIKE = (
    {"text", "character varying"},
    {"smallint", "integer", "bigint", "numeric"},
    {"real", "double precision"},
    {"cidr", "inet"},
)
"""Base types whose values compare alike."""


def comparison_findings(
    connection: Connection,
    requirements: Requirements,
    column: Column[object],
    live: LiveColumn,
    declared: LiveType,
) -> Iterator[Finding]:
    """Yield why a column of the key or of a version does not compare as declared, without its place."""
    is_version = column.key in requirements.versions
    if not is_version and column.key not in requirements.key:
        return
    part = "version" if is_version else "key"
    if declared.base != live.type.base and not any({declared.base, live.type.base} <= alike for alike in _ALIKE):
        yield _fault(
            f"the {part} is declared as {declared.text}, but {live.type.text} compares in another way, and a "
            "batch is folded by the declared type",
            f"declare the column as {live.type.text}",
        )
    given = getattr(postgres_type(column.type), "collation", None) or "default"
    if live.collation is None or live.collation == given or not (is_version or live.nondeterministic):
        return
    kind = "nondeterministic collation" if live.nondeterministic else "collation"
    quoted = connection.dialect.identifier_preparer.quote(live.collation)
    yield _fault(
        f"the {part} has the {kind} {quoted} in the database, and a batch is folded by the declared one ({given})",
        f"declare the column's type with collation={live.collation!r}, or give the live column the declared one",
    )


def _fault(problem: str, hint: str) -> Finding:
    return Finding(severity=Severity.FAULT, problem=problem, hint=hint)
