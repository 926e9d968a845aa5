"""Findings of the schema check."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How severe a finding is."""

    FAULT = "fault"
    """Intents cannot be written."""
    WARNING = "warning"
    """Some intents may not be written."""
    NOTE = "note"
    """Nothing is known to be wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One difference between the code and the database, or one thing that could not be checked.

    Attributes:
        severity: how severe it is.
        problem: what is wrong, in one sentence.
        hint: how to fix it, in one sentence or as the SQL statement that does; None if there is nothing to fix.
        kind: the kind of intents; None for the database as a whole and the framework's own tables.
        table: the table; with its schema if the table exists.
        column: the column's name in the database.
        field: the field that is written to that column.
    """

    severity: Severity
    problem: str
    hint: str | None = None
    kind: str | None = None
    table: str | None = None
    column: str | None = None
    field: str | None = None

    def __str__(self) -> str:
        places = (("field", self.field), ("column", self.column), ("table", self.table))
        place = ", ".join(f"{word} {name!r}" for word, name in places if name is not None)
        return "; ".join(part for part in (f"{place}: " * bool(place) + self.problem, self.hint) if part)


def fault(problem: str, hint: str | None, **place: str | None) -> Finding:
    """Return a fault; `place` has the finding's table, column and field."""
    return Finding(severity=Severity.FAULT, problem=problem, hint=hint, **place)


def warning(problem: str, hint: str, **place: str | None) -> Finding:
    """Return a warning, as `fault` does."""
    return Finding(severity=Severity.WARNING, problem=problem, hint=hint, **place)
