"""The write mode `Append`: one new row per intent."""

from collections.abc import Mapping

from sqlalchemy import CTE, select

from penstock.consumer.mapping.columns import TableLike, bind_columns, nullable_columns, table_of
from penstock.consumer.modes.base import SOLE_WRITER, WriteContext
from penstock.consumer.modes.requirements import Requirements
from penstock.consumer.modes.statements import SetWrite, Writing
from penstock.consumer.rows.recordset import Recordset, sources
from penstock.intents import WriteIntent


class Append:
    """Insert each intent as a new row. The ledger ensures that an intent is appended once."""

    def __init__(self, table: TableLike, columns: Mapping[str, str] | None = None) -> None:
        """Name the table.

        Args:
            table: the table, or a declarative class.
            columns: field by column, where the names differ. `intent_id` and `intent_time` stand for the intent's
                id and time; columns of these names get them by default.

        Raises:
            penstock.consumer.BindingError: `table` is neither.
        """
        self.table = table_of(table)
        self._columns = columns

    def bind(self, intent: type[WriteIntent], context: WriteContext = SOLE_WRITER, /) -> SetWrite:
        """Check the mode against a class of intents, and build its statements.

        Raises:
            penstock.consumer.BindingError: the intent and the table do not agree.
        """
        bound = bind_columns(intent, self.table, self._columns, partial=context.partial)
        recordset = Recordset(intent, sources(self.table, bound), context.digested)
        # SQLAlchemy would compute its own defaults once for all rows. Postgres computes its defaults for each row.
        columns = [self.table.c[key] for key in bound]

        def write(rows: CTE) -> Writing:
            values = select(*(rows.c[key] for key in bound))
            statement = self.table.insert().from_select(columns, values, include_defaults=False)
            return Writing([statement.cte("penstock_written")])

        requirements = Requirements(
            table=self.table,
            fields=bound,
            privileges={"INSERT": [*bound]},
            nulls=nullable_columns(intent, bound),
        )
        return SetWrite(recordset, write, requirements=requirements)
