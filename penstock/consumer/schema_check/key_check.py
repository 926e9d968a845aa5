"""Check that live keys, versions and values compare as declared ones do; otherwise the drain does not write."""

from collections.abc import Iterator
from contextlib import suppress

from psycopg.errors import InsufficientPrivilege
from sqlalchemy import Connection

from penstock.consumer.modes.live_table import Difference
from penstock.consumer.modes.requirements import Requirements
from penstock.consumer.schema_check.finding import Finding, fault


def equality_drift(connection: Connection, requirements: Requirements) -> Iterator[Finding]:
    """Compare how a write and its live table compare values.

    Yields:
        The findings, without a kind.

    Raises:
        psycopg.Error: the database cannot be read.
    """
    if requirements.live is None:
        return
    fields = {requirements.table.c[key].name: field for key, field in requirements.fields.items()}
    differences: list[Difference] = []
    # Without the privilege to use a schema its types cannot be read. The check of the table reports that.
    with suppress(InsufficientPrivilege), connection.begin_nested():
        differences += requirements.live.differences(connection)
    for found in differences:
        yield fault(
            found.problem,
            found.hint,
            table=requirements.table.fullname,
            column=found.column,
            field=fields.get(found.column or ""),
        )
