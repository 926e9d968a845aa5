"""What is found when a drain is held against its database."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How bad it is."""

    FAULT = "fault"
    """Intents would not land."""
    WARNING = "warning"
    """They may land or not."""
    NOTE = "note"
    """Nothing is wrong, as far as can be told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing in which code and database disagree, or that could not be checked.

    Attributes:
        severity: how bad it is.
        problem: what is wrong, in a sentence without its subject.
        hint: what to do about it; None where nothing is to be done.
        kind: the kind of intents that it is about; None for the database as a whole and Penstock's own tables.
        table: the table, with its schema where it has been found.
        column: the column, by its name in the database.
        field: the field that goes into that column.
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
