"""The write mode `Custom`: a function of the service's own, in the same transaction."""

from collections.abc import Callable, Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from penstock.consumer.faults.tree import Cause, DeploymentFault, Fault
from penstock.consumer.modes.base import SOLE_WRITER, TableContext
from penstock.consumer.modes.statements import SetWrite
from penstock.consumer.rows.recordset import IdentityRows
from penstock.intents import Envelope, WriteIntent

Function = Callable[[Connection, Sequence[Any]], None]


class Custom:
    """Land intents by a function of (connection, intents).

    It runs in the drain's transaction, after the ledger has claimed the intents, so that each is passed to it once
    that commits. It must not commit, and must do the same whatever order and sets the intents come in: a set that
    fails is cut up to find whose fault it is. `penstock.consumer.DataFault` says that an intent can never
    land; whatever else it raises is held against the code, unless other intents land.
    """

    table = None

    def __init__(self, function: Function) -> None:
        """Take the function. The intents have the ids and times that they were emitted with."""
        self._function = function

    def bind(self, intent: type[WriteIntent], _beside: TableContext = SOLE_WRITER, /) -> SetWrite:
        """Bind the function; there is nothing to check."""
        return CustomWrite(intent, self._function)


class CustomWrite(SetWrite):
    """`Custom`, bound to one class of intents."""

    pipelined = False

    def __init__(self, intent: type[WriteIntent], function: Function) -> None:
        super().__init__(IdentityRows(intent))
        self._function = function

    def land(self, connection: Connection, envelopes: Sequence[Envelope[Any]]) -> None:
        """Claim a set of which nothing is known, and call the function."""
        super().land(connection, envelopes)
        self.apply(connection, envelopes)

    def apply(self, connection: Connection, envelopes: Sequence[Envelope[Any]]) -> Collection[UUID]:
        """Call the function.

        Returns:
            Nothing: what is stale only the function knows.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: Postgres refused.
            penstock.consumer.Fault: the function raised it, or anything else.
        """
        try:
            self._function(connection, [_identified(envelope) for envelope in envelopes])
        except (SQLAlchemyError, Fault):
            raise
        except Exception as error:
            # Its text may hold values.
            raise DeploymentFault(Cause(type(error).__name__)) from error
        return ()


def _identified(envelope: Envelope[Any]) -> WriteIntent:
    intent: WriteIntent = envelope.data
    vars(intent).update(intent_id=envelope.id, intent_time=envelope.time)
    return intent
