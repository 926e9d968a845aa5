"""What a write mode is: how a kind lands in its table."""

from collections.abc import Sequence
from typing import Any, Protocol

from sqlalchemy import Connection, Table

from penstock.intents import Envelope, WriteIntent


class Write(Protocol):
    """A write mode bound to one class of intents."""

    def apply(self, connection: Connection, envelopes: Sequence[Envelope[Any]]) -> None:
        """Write a set of intents in one go.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: Postgres refused; the savepoint around it is rolled back.
        """


class WriteMode(Protocol):
    """How a kind lands in its table.

    Attributes:
        table: the table.
    """

    table: Table

    def bind(self, intent: type[WriteIntent]) -> Write:
        """Check the mode against a class of intents.

        Raises:
            penstock.consumer.binding.BindingError: they do not go together.
        """
