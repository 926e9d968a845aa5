"""The fast path in one round trip: BEGIN, all statements and COMMIT are sent together, and answered together.

Each statement skips what took effect before. A set of one kind is written by `penstock.write_set`, a function in
the database, which also finds the intents that Postgres refuses, without asking back; the isolating path then
claims them. A few intents are sent without the function at first; so is a kind with several writes, and each kind
if there are events about outcomes. If Postgres refuses what is sent without the function, or the ledger has an id
that cannot be skipped, the transaction is rolled back.

COMMIT is sent along if nothing else is to be entered before it. What was refused is then settled in a second
transaction, before anything is acknowledged.

Kinds that need no order, among themselves or with other kinds, are sent while the rest of the batch is still being
decoded.
"""

import json
import re
from collections.abc import Sequence
from functools import partial
from itertools import chain

from psycopg.pq.abc import PGresult

from penstock.consumer.batch import Item
from penstock.consumer.faults.sqlstate import fault_of_row
from penstock.consumer.faults.tree import DataFault, Fault
from penstock.consumer.modes.base import Bound, BoundWrite, tables_first
from penstock.consumer.modes.tombstones import deletable_locks
from penstock.consumer.pipeline.bisect import LATE, SLICE
from penstock.consumer.pipeline.fast_path import sets, write_with_functions
from penstock.consumer.pipeline.isolating_path import isolate
from penstock.consumer.pipeline.session import PIN
from penstock.consumer.pipeline.trip import OnResult, Trip
from penstock.consumer.pipeline.unit_of_work import ByKind, UnitOfWork
from penstock.consumer.rows.intent_set import IntentSet
from penstock.consumer.rows.wire import FORMATS, OIDS, Wire

_WRITE_SET = b"SELECT stale, duplicates, refused FROM penstock.write_set($1, $2, $3, $4, $5, $6, $7)"
_REFUSE_KNOWN = b"""
SELECT 1 / CASE WHEN EXISTS (SELECT FROM penstock.ledger WHERE id = ANY ($1)) THEN 0 ELSE 1 END
"""
_UUID = re.compile("[0-9a-f-]{36}")
_TEXT = 25
_INTEGER = 23
_UUIDS = 2951
FEW = 100
"""For so many intents the function costs more than it saves if one is refused. Statements for them are kept."""
_SLOW = 0.25
"""After this part of the time each statement is waited for, so that it is known what has been written."""


def has_function(bound: Bound, *, events: bool) -> bool:
    """Return whether a kind may be written by the function."""
    return bound.write.pipelined and len(bound.parts) == 1 and not events


def run_in_one_trip(work: UnitOfWork, *, commit: bool, searching: bool = False) -> dict[Item, Fault]:
    """Claim and write everything that can be written.

    Args:
        work: the batch.
        commit: whether the transaction may be committed here. It is if nothing else is to be entered.
        searching: whether few intents are written by the function, too.

    Returns:
        The faults of the items that were not written.

    Raises:
        psycopg.Error: Postgres refused a plain statement, or the database is unwell; the transaction must be
            rolled back.
        sqlalchemy.exc.SQLAlchemyError: the same.
        pydantic_core.PydanticSerializationError: an envelope cannot be serialized.
        penstock.consumer.Fault: a `Custom` function failed.
    """
    with Trip(work.connection, work.note_wait) as trip:
        writer = _Writer(work, trip, searching=searching or work.size > FEW)
        _pin(trip, work)
        rest = writer.write_while_decoding()
        writer.write_rest(rest)
        functions = any(bound.kind in rest and not bound.write.pipelined for bound in work.writes)
        if work.events and not functions:
            work.events.send_landed(trip, writer.sent)
        if commit and work.clean and not functions and not writer.faults:
            trip.send(b"COMMIT", on_result=writer.note_commit)
    faults = writer.faults
    if functions:
        faults |= write_with_functions(work, rest)
        if work.events:
            everything = {*writer.sent, *chain.from_iterable(rest.values())} - faults.keys()
            work.events.announce_landed(work.connection, [item for item in everything if not item.duplicate])
    if writer.refused:
        # In a transaction of its own, if the first one is committed.
        work.committed = False
        with Trip(work.connection, work.note_wait) as trip:
            _pin(trip, work)
        faults |= isolate(work, writer.refused, writer.refused_for)
    return faults


def _pin(trip: Trip, work: UnitOfWork) -> None:
    trip.send(PIN, work.limits(), (_TEXT, _TEXT), keep=True)


class _Writer:
    """Sends sets, and takes their results."""

    def __init__(self, work: UnitOfWork, trip: Trip, *, searching: bool) -> None:
        self.faults: dict[Item, Fault] = {}
        self.refused: ByKind = {}
        self.refused_for: dict[Item, DataFault] = {}
        self.sent: list[Item] = []
        self._work = work
        self._trip = trip
        self._searching = searching
        self._unanswered = 0

    def write_while_decoding(self) -> ByKind:
        """Send each kind that may be streamed as soon as a part of it is decoded; return all other items."""
        streams = {bound.kind: bound for bound in self._work.writes if bound.streams}
        rest: ByKind = {}
        for part in self._work.decoded_parts():
            for kind, items in part.items():
                if kind in streams:
                    for write in streams[kind].parts:
                        self._send(streams[kind], write, items)
                else:
                    rest.setdefault(kind, []).extend(items)
            if len(self.sent) < self._work.size:
                # Postgres begins while the next part is decoded.
                self._trip.flush()
        return rest

    def write_rest(self, rest: ByKind) -> None:
        """Send one table after another, of all kinds without a function of the service's."""
        here = [bound for bound in self._work.writes if bound.kind in rest]
        self._refuse_known([item for bound in here if not bound.write.pipelined for item in rest[bound.kind]])
        self._check_live(here)
        for statement in deletable_locks(here):
            self._trip.send(statement.encode())
        for bound, part in tables_first(here):
            if bound.write.pipelined:
                for items in sets(bound, rest[bound.kind]):
                    self._send(bound, part, items)

    def _refuse_known(self, items: Sequence[Item]) -> None:
        """Break off now if the ledger has one of the ids, not when rows are locked that other batches wait for."""
        if items:
            ids = ",".join(item.intent_id for item in items)
            # Not kept: as it ends at the first id that is found, a plan for few rows may scan the ledger.
            self._trip.send(_REFUSE_KNOWN, [f"{{{ids}}}".encode()], [_UUIDS])

    def note_commit(self, _: PGresult) -> None:
        """Note that everything is committed."""
        self._work.committed = True

    def _check_live(self, here: Sequence[Bound]) -> None:
        """Compare the live columns with the declared ones, once for each connection."""
        connection = self._work.connection
        writes = [part.write for bound in here if bound.write.pipelined for part in bound.parts]
        if unchecked := [write for write in writes if not write.is_checked(connection)]:
            with self._trip.paused():
                for write in unchecked:
                    write.check_live(connection)

    def _send(self, bound: Bound, part: BoundWrite, items: Sequence[Item]) -> None:
        if self._unanswered >= SLICE or self._work.has_used(_SLOW):
            self._trip.wait()
            self._unanswered = 0
        first = part is bound.parts[0]
        if first and self._work.out_of_time():
            self.faults |= dict.fromkeys(items, LATE)
            return
        # What has been claimed is written to all tables, however late it is.
        items = items if first else [item for item in items if item not in self.faults]
        if not items:
            return
        wire = part.write.wire(IntentSet.of_items(items))
        if not first:
            self._write_further(bound, part, wire)
        elif self._searching and has_function(bound, events=self._work.events is not None):
            self._write_with_function(bound, part, wire, items)
        else:
            self._write_plainly(bound, part, wire, items)
        self._unanswered += len(items)
        if first:
            self.sent += items

    def _write_with_function(self, bound: Bound, part: BoundWrite, wire: Wire, items: Sequence[Item]) -> None:
        def take(result: PGresult) -> None:
            self._take_skipped(bound, items, result)
            for place, *error in json.loads(result.get_value(0, 2) or b"[]"):
                self._refuse(bound, items[place - 1], error)

        texts = part.write.on_server
        arguments = [texts.write_set, texts.claim_and_write, *wire.arguments()]
        self._trip.send(_WRITE_SET, arguments, (_TEXT, _TEXT, *OIDS), (0, 0, *FORMATS), take, keep=True)

    def _write_plainly(self, bound: Bound, part: BoundWrite, wire: Wire, items: Sequence[Item]) -> None:
        self._write_whole(part.write.on_server.write_set, wire, partial(self._take_skipped, bound, items))

    def _write_further(self, bound: Bound, part: BoundWrite, wire: Wire) -> None:
        def take_corrected(result: PGresult) -> None:
            self._work.stale[bound.kind] -= result.command_tuples or 0

        self._write_whole(part.write.on_server.write_further, wire, take_corrected)

    def _write_whole(self, statement: bytes, wire: Wire, take: OnResult) -> None:
        whole = [*wire.arguments(), b"1", str(wire.length).encode()]
        types, formats = (*OIDS, _INTEGER, _INTEGER), (*FORMATS, 0, 0)
        self._trip.send(statement, whole, types, formats, take, keep=wire.length <= FEW)

    def _take_skipped(self, bound: Bound, items: Sequence[Item], result: PGresult) -> None:
        stale, skipped = (result.get_value(0, column) or b"" for column in range(2))
        self._work.stale[bound.kind] += int(stale)
        self._work.written[bound.kind] += len(items)
        if duplicates := {*_UUID.findall(skipped.decode())}:
            for item in items:
                item.duplicate = item.intent_id in duplicates
            self._work.written[bound.kind] -= len(duplicates)

    def _refuse(self, bound: Bound, item: Item, error: Sequence[str]) -> None:
        self.refused.setdefault(bound.kind, []).append(item)
        self._work.written[bound.kind] -= 1
        if error and (fault := fault_of_row(*error)):
            self.refused_for[item] = fault
