"""What a write demands of the database, for whoever holds it against the live one."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Table

Privilege = Literal["SELECT", "INSERT", "UPDATE", "DELETE"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What the statements of a bound write need to be there. Columns go by their keys in SQLAlchemy.

    Attributes:
        table: the table.
        fields: the field (or `intent_id`, `intent_time`) for each column that gets one.
        privileges: the columns that each privilege is needed on; none of them where it is one of the whole table.
        key: the columns that have to be unique together, where rows are found by a key.
        nulls: the columns that may be set to null.
    """

    table: Table
    fields: Mapping[str, str]
    privileges: Mapping[Privilege, Collection[str]]
    key: tuple[str, ...] = ()
    nulls: Collection[str] = ()

    @property
    def columns(self) -> list[str]:
        """All columns that the statements name."""
        return list(dict.fromkeys([*self.fields, *self.key, *(c for cs in self.privileges.values() for c in cs)]))

    @property
    def inserts(self) -> bool:
        """Whether rows are made."""
        return "INSERT" in self.privileges
