"""The write mode `Append`: one new row per intent."""

from collections.abc import Mapping

from sqlalchemy import select

from penstock.consumer.mapping.columns import Target, bind_columns, may_be_null, table_of
from penstock.consumer.modes.base import SOLE_WRITER, TableContext
from penstock.consumer.modes.requirements import Demand
from penstock.consumer.modes.statements import SetWrite
from penstock.consumer.rows.recordset import Recordset, sources
from penstock.intents import WriteIntent


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

    def bind(self, intent: type[WriteIntent], _beside: TableContext = SOLE_WRITER, /) -> SetWrite:
        """Check the mode against a class of intents.

        Raises:
            penstock.consumer.BindingError: they do not go together.
        """
        bound = bind_columns(intent, self.table, self._columns)
        recordset = Recordset(intent, sources(self.table, bound))
        rows = select(*(recordset.cte.c[key] for key in bound))
        # Defaults of SQLAlchemy's own would be made once for all rows; Postgres makes its own for each.
        columns = [self.table.c[key] for key in bound]
        written = self.table.insert().from_select(columns, rows, include_defaults=False).cte("penstock_written")
        demand = Demand(
            table=self.table,
            fields=bound,
            privileges={"INSERT": [*bound]},
            nulls=may_be_null(intent, bound),
        )
        return SetWrite(recordset, [written], demand=demand)
