"""Sends sets of intents in a round trip, and finds the intents that Postgres refuses.

A set is sent under a savepoint, if anything was done before it: a small batch needs a single transaction id. If
Postgres refuses a set, what was written before stays. The set is sent once more without the intents that the error
names, which are sent alone; if it names none, the set is cut in parts. From then on nothing waits for the fate of
a set: behind each one Postgres goes on, whether it was refused or not. So the number of round trips depends on how
often a set has to be cut, not on how many are refused. What was refused alone is claimed in the last of them.

A guess is only where to look: what is refused was refused alone, and all others were written.

A kind with several writes is not searched: a set that its first write has claimed cannot be cut any more. Nor is
an id that the ledger has: another batch may have the same intents, and wait for locks of this one.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import NamedTuple

import psycopg
from psycopg.pq.abc import PGresult

from penstock.consumer.batch import Item
from penstock.consumer.faults.sqlstate import fault_of
from penstock.consumer.faults.tree import DataFault, Fault
from penstock.consumer.modes.base import Bound, BoundWrite
from penstock.consumer.modes.statements import Claimed
from penstock.consumer.pipeline.bisect import LATE, SLICE
from penstock.consumer.pipeline.session import PIN
from penstock.consumer.pipeline.suspects import suspects
from penstock.consumer.pipeline.trip import OnError, Trip
from penstock.consumer.pipeline.unit_of_work import ByKind, UnitOfWork
from penstock.consumer.rows.wire import FORMATS, OIDS
from penstock.database.ledger import ledger
from penstock.queue.chunks import chunked

FEW = 100
"""The session keeps statements for so many intents. Their plans would be bad ones for many."""

_TEXT = 25
_CUTS = 10
"""In how many parts a set is cut of which nothing is known."""
_MOST_REFUSED = 20
"""If more intents of a kind are refused, the isolating path decides whether the deployment is at fault."""
_SLOW = 0.25
"""After this part of the time each statement is waited for, so that it is known what has been written."""


class SentSet(NamedTuple):
    """Intents of one kind that are written by one statement.

    Attributes:
        bound: the kind.
        part: the write.
        items: the intents.
        arguments: the parameters of the statement, once they are written.
    """

    bound: Bound
    part: BoundWrite
    items: Sequence[Item]
    arguments: Sequence[bytes | None] = ()


class Statement(NamedTuple):
    """A statement that writes no intents.

    Attributes:
        text: the text.
        arguments: its parameters.
        types: the type of each, by its number in Postgres.
    """

    text: bytes
    arguments: Sequence[bytes] = ()
    types: Sequence[int] = ()


class SetSender:
    """Sends sets, and takes their results.

    Attributes:
        faults: the items that there was no time for, each with a fault that says so.
        refused: the items that Postgres refused.
        refused_for: the fault of each that was refused alone, unless it may be written later. They are claimed
            if Postgres took the claim, but for those that took effect before.
        sent: the items that were sent.
        searching: whether a set was refused.
    """

    def __init__(self, work: UnitOfWork, trip: Trip) -> None:
        """Send nothing yet.

        Args:
            work: the batch. It counts what is written and what is stale.
            trip: the round trip of its transaction.
        """
        self.faults: dict[Item, Fault] = {}
        self.refused: ByKind = {}
        self.refused_for: dict[Item, DataFault] = {}
        self.sent: list[Item] = []
        self.searching = False
        self._work = work
        self._trip = trip
        self._awaited: deque[SentSet | Statement] = deque()
        self._nothing_done = trip.begins
        self._first: SentSet | None = None
        self._failed: list[tuple[SentSet, psycopg.Error]] = []
        self._unanswered = 0

    def pin(self) -> None:
        """Pin the settings of the transaction.

        Raises:
            psycopg.OperationalError: the connection was lost.
        """
        self._trip.send(PIN, self._work.limits(), (_TEXT, _TEXT), keep=True)

    def execute(self, statement: Statement) -> None:
        """Send a statement.

        Raises:
            psycopg.Error: as `wait`.
        """
        self._nothing_done = False
        self._await(statement)
        self._trip.send(*statement, on_result=lambda _: self._note_answer(statement))

    def write(self, one: SentSet) -> None:
        """Send a set, and before it once more what was refused by now.

        It waits if many others are under way, or if much of the time is over.

        Raises:
            psycopg.Error: as `wait`.
            pydantic_core.PydanticSerializationError: a value cannot be written.
        """
        if self._trip.take_arrived():
            self._take_answers()
        self._send_failed()
        self._write(one)

    def _write(self, one: SentSet) -> None:
        if self._work.has_used(_SLOW):
            self.wait()
        if self._unanswered >= SLICE and self._trip.take_until(lambda: self._unanswered < SLICE):
            self._take_answers()
        first = one.part is one.bound.parts[0]
        if first and self._work.out_of_time():
            self.faults |= dict.fromkeys(one.items, LATE)
            return
        # What has been claimed is written to all tables, however late it is.
        if not first and self.faults:
            one = SentSet(one.bound, one.part, [item for item in one.items if item not in self.faults])
        if not one.items:
            return
        one = one if one.arguments else self._with_arguments(one)
        self._await(one)
        self._first = one if self._nothing_done else self._first
        self._nothing_done = False
        if not first:
            self._send(one, one.part.write.on_server.write_further, self._take_corrected)
        elif one is self._first or not _can_be_searched(one):
            self._send(one, one.part.write.on_server.write_set, self._take_written)
        else:
            self._send_under_savepoint(one)
        self._unanswered += len(one.items)
        if first:
            self.sent += one.items

    def wait(self) -> None:
        """Wait for all answers. Sets that Postgres refuses are searched for the intents at fault.

        Raises:
            psycopg.Error: a set cannot be searched, or the database is unwell.
        """
        self._take_answers()
        self._trip.wait()
        while self._failed:
            self._send_failed()
            self._trip.wait()

    def _take_answers(self) -> None:
        """Wait for all answers. If a set was refused, send once more what was not written."""
        try:
            self._trip.wait()
        except psycopg.Error as error:
            refused = self._awaited[0] if self._awaited else None
            if not isinstance(refused, SentSet) or not _can_be_searched(refused):
                raise
            # Its frames hold the error itself: a circle, which would keep the batch from being freed.
            self._begin_search(refused, error.with_traceback(None))

    def _begin_search(self, refused: SentSet, error: psycopg.Error) -> None:
        """Go back to where the refused set began, and send it in parts, and what came behind it once more.

        Raises:
            psycopg.Error: no intent may be at fault.
        """
        if not self._note_failure(refused, error):
            raise error
        others = [*self._awaited][1:]
        self._awaited.clear()
        self._unanswered = 0
        self.searching = True
        if refused is self._first:
            self._trip.begin_again()
            self.pin()
        else:
            self._trip.go_back()
        self._send_failed()
        for step in others:
            if isinstance(step, SentSet):
                self._write(step)
            else:
                self.execute(step)

    def _send_failed(self) -> None:
        """Send in parts what was refused. What was refused alone is claimed, all of a kind together."""
        failed, self._failed = self._failed, []
        alone: dict[str, SentSet] = {}
        for one, error in failed:
            if len(one.items) == 1:
                others = alone.get(one.bound.kind)
                alone[one.bound.kind] = one._replace(items=[*others.items, *one.items]) if others else one
                continue
            for items in _parts(one.items, error):
                self._write(SentSet(one.bound, one.part, items))
        for one in alone.values():
            self._claim(self._with_arguments(one))

    def _claim(self, one: SentSet) -> None:
        with self._trip.attempt():
            # Too rare to be kept.
            claim = one.part.write.on_server.claim
            self._send(one, claim, self._take_claim, _is_of_data, keep=False)

    def _with_arguments(self, one: SentSet) -> SentSet:
        wire = one.part.write.wire(self._work.intents(one.items))
        # Once one was refused, others may be, and will be needed again.
        if one.part is one.bound.parts[-1] and not self.searching:
            for item in one.items:
                item.let_go()
        return one._replace(arguments=wire.arguments())

    def _send_under_savepoint(self, one: SentSet) -> None:
        statements = one.part.write.on_server
        if not self.searching:
            with self._trip.savepoint():
                self._send(one, statements.write_set, self._take_written)
            return
        with self._trip.attempt():
            self._send(one, statements.write_set, self._take_written, partial(self._note_failure, one))

    def _send(
        self,
        one: SentSet,
        statement: bytes,
        take: Callable[[SentSet, PGresult], None],
        on_error: OnError | None = None,
        *,
        keep: bool = True,
    ) -> None:
        keep = keep and len(one.items) <= FEW
        on_result = partial(take, one)
        self._trip.send(statement, one.arguments, OIDS, FORMATS, on_result, on_error=on_error, keep=keep)

    def _take_written(self, one: SentSet, result: PGresult) -> None:
        self._note_answer(one)
        claimed = Claimed.of(result.get_value(0, 0), result.get_value(0, 1))
        self._work.note_claimed(one.bound.kind, one.items, claimed)

    def _take_corrected(self, one: SentSet, result: PGresult) -> None:
        self._note_answer(one)
        self._work.stale[one.bound.kind] -= result.command_tuples or 0

    def _take_claim(self, one: SentSet, result: PGresult) -> None:
        known = {(result.get_value(row, 0) or b"").decode() for row in range(result.ntuples)}
        for item in one.items:
            item.claimed = item.intent_id not in known

    def _note_failure(self, one: SentSet, error: psycopg.Error) -> bool:
        """Take an error of a set, if an intent may be at fault. What was refused alone is at fault."""
        fault = fault_of(error)
        # Another batch may have the same ids.
        if not isinstance(fault, DataFault) or fault.cause.table == ledger.name:
            return False
        self._unanswered -= len(one.items)
        refused = self.refused.setdefault(one.bound.kind, [])
        alone = len(one.items) == 1
        is_cut = not alone and len(refused) < _MOST_REFUSED
        if alone or is_cut:
            self._failed.append((one, error))
        if not is_cut:
            refused += one.items
        if alone and type(fault) is DataFault:
            self.refused_for[one.items[0]] = fault
        return True

    def _await(self, step: SentSet | Statement) -> None:
        """Remember what is to be sent once more if a set is refused; in a search nothing is."""
        if not self.searching:
            self._awaited.append(step)

    def _note_answer(self, step: SentSet | Statement) -> None:
        if isinstance(step, SentSet):
            self._unanswered -= len(step.items)
        if not self.searching:
            self._awaited.popleft()


def _is_of_data(error: psycopg.Error) -> bool:
    return isinstance(fault_of(error), DataFault)


def _can_be_searched(one: SentSet) -> bool:
    return len(one.bound.parts) == 1


def _parts(items: Sequence[Item], error: psycopg.Error) -> Iterator[Sequence[Item]]:
    """Cut a refused set: the suspects stand alone. If the error tells of none, there are several parts."""
    if not (found := suspects(items, error)):
        return chunked(items, -(-len(items) // _CUTS))
    known = {*found}
    return chain([[item for item in items if item not in known]], chunked(found, 1))
