"""The write mode `Custom`: a function of the service, in the same transaction."""

from collections.abc import Callable, Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from penstock.consumer.faults.tree import Cause, DeploymentFault, Fault
from penstock.consumer.modes.base import SOLE_WRITER, WriteContext
from penstock.consumer.modes.statements import Claimed, SetWrite
from penstock.consumer.rows.recordset import IdentityRows
from penstock.diagnosis import frames_of
from penstock.intents import Envelope, WriteIntent

Function = Callable[[Connection, Sequence[Any]], None]


class Custom:
    """Write intents with a function of (connection, intents).

    The function runs in the drain's transaction, after the ledger has claimed the intents. So each intent takes
    effect once, when that transaction commits. The function must not commit. Its effect must not depend on the
    order of the intents, nor on the sets in which they come: a set that fails is split to find the intent at
    fault. It raises `penstock.consumer.DataFault` for an intent that can never be written. Any other error is a
    fault of the deployment, unless other intents of the set are written.
    """

    table = None

    def __init__(self, function: Function) -> None:
        """Take the function. The intents that it gets have the ids and times with which they were emitted."""
        self._function = function

    def bind(self, intent: type[WriteIntent], _context: WriteContext = SOLE_WRITER, /) -> SetWrite:
        """Bind the function; nothing is checked."""
        return CustomWrite(intent, self._function)


class CustomWrite(SetWrite):
    """`Custom`, bound to one class of intents.

    Attributes:
        function: the function of the service.
    """

    pipelined = False

    def __init__(self, intent: type[WriteIntent], function: Function) -> None:
        super().__init__(IdentityRows(intent))
        self.function = function

    def claim_and_write(self, connection: Connection, envelopes: Sequence[Envelope[Any]]) -> Claimed:
        """Claim a set, and call the function for what did not take effect before."""
        claimed = super().claim_and_write(connection, envelopes)
        self.apply(connection, [envelope for envelope in envelopes if str(envelope.id) not in claimed.skipped])
        return claimed

    def write_further(self, connection: Connection, envelopes: Sequence[Envelope[Any]]) -> int:
        """Call the function for a set that another write of the kind has claimed."""
        self.apply(connection, envelopes)
        return 0

    def apply(self, connection: Connection, envelopes: Sequence[Envelope[Any]]) -> Collection[UUID]:
        """Call the function, unless there are no intents.

        Returns:
            Nothing: only the function knows what is stale.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: Postgres refused.
            penstock.consumer.Fault: the function raised it, or it raised anything else.
        """
        if not envelopes:
            return ()
        try:
            self.function(connection, [_with_identity(envelope) for envelope in envelopes])
        except (SQLAlchemyError, Fault):
            raise
        except Exception as error:
            # The text of the error may contain values.
            raise DeploymentFault(Cause(type(error).__name__, frames=frames_of(error))) from error
        return ()


def _with_identity(envelope: Envelope[Any]) -> WriteIntent:
    intent: WriteIntent = envelope.data
    vars(intent).update(intent_id=envelope.id, intent_time=envelope.time)
    return intent
