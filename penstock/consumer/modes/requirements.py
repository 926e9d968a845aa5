"""What a write requires of the database, for the check of the live schema."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Table

Privilege = Literal["SELECT", "INSERT", "UPDATE", "DELETE"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirements:
    """What the statements of a bound write require. Columns go by their keys in SQLAlchemy.

    Attributes:
        table: the table.
        fields: the field (or `intent_id`, `intent_time`) for each column that gets one.
        privileges: the columns on which each privilege is required; none if the privilege is on the whole table.
        key: the columns that have to be unique together, if rows are found by a key.
        nulls: the columns that may be set to null.
        versions: the columns whose values are compared to find the newest.
    """

    table: Table
    fields: Mapping[str, str]
    privileges: Mapping[Privilege, Collection[str]]
    key: tuple[str, ...] = ()
    nulls: Collection[str] = ()
    versions: Collection[str] = ()

    @property
    def columns(self) -> list[str]:
        """All columns that the statements name."""
        return list(dict.fromkeys([*self.fields, *self.key, *(c for cs in self.privileges.values() for c in cs)]))

    @property
    def inserts(self) -> bool:
        """Whether rows are inserted."""
        return "INSERT" in self.privileges
