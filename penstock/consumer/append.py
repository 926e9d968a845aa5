"""The write mode `Append`: one new row per intent."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table

from penstock.consumer.binding import bind_columns
from penstock.consumer.recordset import Recordset
from penstock.intents import Envelope, WriteIntent


class Append:
    """Land each intent as a new row. The ledger sees to it that an intent is appended once."""

    def __init__(self, table: Table, columns: Mapping[str, str] | None = None) -> None:
        """Say where the rows go.

        Args:
            table: the table.
            columns: field by column, where the names differ; `intent_id` and `intent_time` stand for the
                intent's id and time, and go to columns of these names by themselves.
        """
        self.table = table
        self._columns = columns

    def bind(self, intent: type[WriteIntent]) -> "AppendWrite":
        """Check the mode against a class of intents.

        Raises:
            penstock.consumer.binding.BindingError: they do not go together.
        """
        return AppendWrite(intent, self.table, bind_columns(intent, self.table, self._columns))


class AppendWrite:
    """`Append`, bound to one class of intents: one INSERT of a whole set, whose text never changes."""

    def __init__(self, intent: type[WriteIntent], table: Table, columns: Mapping[str, str]) -> None:
        self._recordset = Recordset(intent, {field: table.c[name].type for name, field in columns.items()})
        rows = self._recordset.select([columns[name] for name in columns])
        # Defaults of SQLAlchemy's own would be made once for all rows; Postgres makes its own for each.
        self._insert = table.insert().from_select(list(columns), rows, include_defaults=False)

    def apply(self, connection: Connection, envelopes: Sequence[Envelope[Any]]) -> None:
        """Insert a row for each envelope.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: Postgres refused; nothing of the set was inserted.
        """
        connection.execute(self._insert, {"rows": self._recordset.dump(envelopes)})
