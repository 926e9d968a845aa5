"""The fast path in one round trip: BEGIN, all statements and COMMIT are sent together, and answered together.

Each statement skips what took effect before. COMMIT is sent along if nothing else is to be entered before it.

Kinds that need no order, among themselves or with other kinds, are sent while the rest of the batch is still being
decoded. What Postgres refuses is found by `SetSender`, and claimed by the isolating path.
"""

from collections.abc import Sequence
from itertools import chain

from penstock.consumer.batch import Item
from penstock.consumer.faults.tree import Fault
from penstock.consumer.modes.base import Bound, tables_first
from penstock.consumer.modes.tombstones import deletable_locks
from penstock.consumer.pipeline.bisect import SLICE
from penstock.consumer.pipeline.fast_path import sets, write_with_functions
from penstock.consumer.pipeline.isolating_path import isolate
from penstock.consumer.pipeline.set_sender import FEW, SentSet, SetSender, Statement
from penstock.consumer.pipeline.trip import Trip
from penstock.consumer.pipeline.unit_of_work import ByKind, UnitOfWork

_REFUSE_KNOWN = b"""
SELECT 1 / CASE WHEN EXISTS (SELECT FROM penstock.ledger WHERE id = ANY ($1)) THEN 0 ELSE 1 END
"""
_UUIDS = 2951
_PLANNED_PART = 500
"""The size of a part if the session keeps no statements: then each statement is planned anew."""
_MOST_PARTS = 20
"""Each part has a savepoint. A transaction with more than 64 of them makes all others slower, too (PostgreSQL,
PGPROC_MAX_CACHED_SUBXIDS)."""


def run_in_one_trip(work: UnitOfWork, *, commit: bool) -> dict[Item, Fault]:
    """Claim and write everything that can be written.

    Args:
        work: the batch.
        commit: whether the transaction may be committed here. It is if nothing else is to be entered.

    Returns:
        The faults of the items that were not written.

    Raises:
        psycopg.Error: Postgres refused what cannot be searched, or the database is unwell; the transaction must be
            rolled back.
        sqlalchemy.exc.SQLAlchemyError: the same.
        pydantic_core.PydanticSerializationError: an envelope cannot be serialized.
        penstock.consumer.Fault: a `Custom` function failed.
    """
    with Trip(work.connection, work.note_wait) as trip:
        sender = SetSender(work, trip)
        sender.pin()
        rest = _write_while_decoding(work, trip, sender)
        _write_rest(work, trip, sender, rest)
        functions = any(bound.kind in rest and not bound.write.pipelined for bound in work.writes)
        at_once = not functions and not sender.searching
        if work.events and at_once:
            work.events.send_landed(trip, sender.sent)
        if commit and work.clean and not sender.faults and at_once:
            trip.send(b"COMMIT", on_result=work.note_commit)
        sender.wait()
    faults = sender.faults
    if functions:
        faults |= write_with_functions(work, rest)
    # A set that is refused takes the statement of the events with it.
    if work.events and (functions or sender.searching):
        not_landed = {*faults, *chain.from_iterable(sender.refused.values())}
        landed = {*sender.sent, *chain.from_iterable(rest.values())} - not_landed
        work.events.announce_landed(work.connection, landed)
    if sender.refused:
        faults |= isolate(work, sender.refused, sender.refused_for)
    return faults


def _write_while_decoding(work: UnitOfWork, trip: Trip, sender: SetSender) -> ByKind:
    """Send each kind that may be streamed as soon as a part of it is decoded; return all other items."""
    streams = {bound.kind: bound for bound in work.writes if bound.streams}
    rest: ByKind = {}
    size = max(FEW if trip.keeps else _PLANNED_PART, -(-work.size // _MOST_PARTS))
    for part in work.decoded_parts(size):
        for kind, items in part.items():
            if kind in streams:
                for write in streams[kind].parts:
                    sender.write(SentSet(streams[kind], write, items))
            else:
                rest.setdefault(kind, []).extend(items)
        if len(sender.sent) < work.size:
            # Postgres begins while the next part is decoded. Only `SLICE` intents may be unanswered at a time.
            trip.flush(answer=work.size > SLICE)
    return rest


def _write_rest(work: UnitOfWork, trip: Trip, sender: SetSender, rest: ByKind) -> None:
    """Send one table after another, of all kinds without a function of the service's."""
    here = [bound for bound in work.writes if bound.kind in rest]
    _refuse_known(sender, [item for bound in here if not bound.write.pipelined for item in rest[bound.kind]])
    _check_live(work, trip, sender, here)
    for statement in deletable_locks(here):
        sender.execute(Statement(statement.encode()))
    for bound, part in tables_first(here):
        if bound.write.pipelined:
            for items in sets(bound, rest[bound.kind]):
                sender.write(SentSet(bound, part, items))


def _refuse_known(sender: SetSender, items: Sequence[Item]) -> None:
    """Break off now if the ledger has an id of a function's, not when rows are locked that other batches wait for.

    Otherwise more batches with the same hot keys would end in deadlocks.
    """
    if items:
        ids = ",".join(item.intent_id for item in items)
        # Not kept: as it ends at the first id that is found, a plan for few rows may scan the ledger.
        sender.execute(Statement(_REFUSE_KNOWN, [f"{{{ids}}}".encode()], [_UUIDS]))


def _check_live(work: UnitOfWork, trip: Trip, sender: SetSender, here: Sequence[Bound]) -> None:
    """Compare the live columns with the declared ones, once for each connection."""
    writes = [part.write for bound in here if bound.write.pipelined for part in bound.parts]
    if unchecked := [write for write in writes if not write.is_checked(work.connection)]:
        sender.wait()
        with trip.paused():
            for write in unchecked:
                write.check_live(work.connection)
