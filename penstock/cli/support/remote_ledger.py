"""The ledger of a database that only functions can reach, read through the function `migrate`."""

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from uuid import UUID

from penstock.cli.support.remote import RemoteFunction
from penstock.database.ledger_entries import LedgerState
from penstock.functions.ledger_reads import STATES
from penstock.functions.requests import LEDGER


class RemoteLedger:
    """Reads the ledger, page by page, each in an invocation of the function.

    Its methods raise `Failure` as `RemoteFunction.run` does.
    """

    def __init__(self, function: RemoteFunction) -> None:
        """Take the function."""
        self._function = function

    def count_outcomes(self, since: datetime) -> Mapping[str, int]:
        """Count the intents that were settled since a time, by outcome."""
        answer = self._function.run(LEDGER, read="counts", since=since.isoformat())
        counts: dict[str, int] = answer["counts"]
        return counts

    def find_states(self, ids: Collection[UUID]) -> Mapping[UUID, LedgerState]:
        """Return the states of intents by id, without those that the ledger does not know."""
        return {state.id: state for state in self._states(read="states", ids=[str(id_) for id_ in ids])}

    def list_unsettled(self, since: datetime) -> Iterator[LedgerState]:
        """Yield the states of the intents that became dead or pending since a time."""
        after: str | None = None
        while page := self._states(read="unsettled", since=since.isoformat(), after=after):
            yield from page
            after = str(page[-1].id)

    def _states(self, **request: object) -> list[LedgerState]:
        return STATES.validate_python(self._function.run(LEDGER, **request)["states"])
