"""The write mode `Append`: one new row per intent."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Table

from penstock.consumer.binding import Target, bind_columns, table_of
from penstock.consumer.modes import ALONE, Beside
from penstock.consumer.recordset import Recordset, sources
from penstock.intents import Envelope, WriteIntent


class Append:
    """Land each intent as a new row. The ledger sees to it that an intent is appended once."""

    def __init__(self, table: Target, columns: Mapping[str, str] | None = None) -> None:
        """Say where the rows go.

        Args:
            table: the table, or a declarative class.
            columns: field by column, where the names differ; `intent_id` and `intent_time` stand for the
                intent's id and time, and go to columns of these names by themselves.

        Raises:
            penstock.consumer.BindingError: `table` is neither.
        """
        self.table = table_of(table)
        self._columns = columns

    def bind(self, intent: type[WriteIntent], _beside: Beside = ALONE, /) -> "AppendWrite":
        """Check the mode against a class of intents.

        Raises:
            penstock.consumer.BindingError: they do not go together.
        """
        return AppendWrite(intent, self.table, bind_columns(intent, self.table, self._columns))


class AppendWrite:
    """`Append`, bound to one class of intents: one INSERT of a whole set, whose text never changes."""

    def __init__(self, intent: type[WriteIntent], table: Table, columns: Mapping[str, str]) -> None:
        self._recordset = Recordset(intent, sources(table, columns))
        # Defaults of SQLAlchemy's own would be made once for all rows; Postgres makes its own for each.
        self._insert = table.insert().from_select(
            [table.c[key] for key in columns], self._recordset.select(), include_defaults=False
        )

    def apply(self, connection: Connection, envelopes: Sequence[Envelope[Any]]) -> Collection[UUID]:
        """Insert a row for each envelope.

        Returns:
            Nothing: a new row is never stale.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: Postgres refused; nothing of the set was inserted.
            pydantic_core.PydanticSerializationError: an envelope cannot be written as JSON.
        """
        connection.execute(self._insert, self._recordset.parameters(envelopes))
        return ()
