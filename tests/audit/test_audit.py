"""The audit: a real ledger, queues in memory, and every discrepancy between them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine

from penstock.audit import dlq_index
from penstock.audit.audit import Account, AuditFinding, audit
from penstock.audit.ledger_reader import read_database
from penstock.audit.reconcile import FRESH, Discrepancy
from penstock.audit.verdict import OpenCause, Verdict
from penstock.database.watchdog import Watchdog
from penstock.intents import ids
from penstock.queue import Depth, Outgoing
from penstock.testing import MemoryQueue
from tests.support.audit import dead_letter, message
from tests.support.ledgers import PURGED, Ledger

DAYS = timedelta(days=14)
HOUR = 3600.0


@dataclass
class Bench:
    """A ledger, two queues, and what an audit of them found."""

    ledger: Ledger
    main: MemoryQueue = field(default_factory=MemoryQueue)
    dead: MemoryQueue = field(default_factory=MemoryQueue)
    found: list[AuditFinding] = field(default_factory=list)

    def audit(self, asked: Iterable[UUID] | None = None, *, hours: float = 24) -> Account:
        self.found.clear()
        now = datetime.now(UTC)
        return audit(
            partial(read_database, Watchdog(self.ledger.engine)),
            self.main,
            self.dead,
            since=now - timedelta(hours=hours),
            retention=DAYS,
            ids=asked,
            on_finding=self.found.append,
            clock=lambda: now,
        )

    @property
    def discrepancies(self) -> dict[str, Discrepancy]:
        return {finding.id: finding.discrepancy for finding in self.found}


@pytest.fixture
def bench(engine: Engine) -> Bench:
    return Bench(Ledger(engine))


def test_everything_adds_up(bench: Bench) -> None:
    """Applied, stale, dead with its letter, pending on the queue: they sum up to what was emitted."""
    for outcome in ("applied", "applied", "stale", "pending"):
        bench.ledger.enter(outcome, ago=HOUR)
    bench.dead.send([message(bench.ledger.enter("dead", ago=HOUR))])
    bench.main.send([message(uuid4(), letter=False), message(uuid4(), letter=False)])
    account = bench.audit()
    assert (account.emitted, account.pending, account.unreconciled, bench.found) == (6, 2, 0, [])
    assert dict(account.counts) == {"applied": 2, "stale": 1, "pending": 1, "dead": 1}
    assert (bench.dead.depth().visible, bench.main.depth().visible) == (1, 2)


def test_each_discrepancy(bench: Bench) -> None:
    """Each intent in the wrong place is reported with its discrepancy, and no other intent."""
    enter = bench.ledger.enter
    gone, expired = enter("dead", ago=HOUR), enter("dead", ago=15 * 24 * HOUR)
    purged = enter("dead", ago=HOUR, fault=PURGED)
    copies = [enter("applied", ago=HOUR), enter("stale", ago=HOUR)]
    moved = [enter("pending", ago=HOUR), uuid4()]
    lost = enter("pending", ago=HOUR)
    fresh = [enter("dead", ago=10), enter("pending", ago=10)]
    sent = [*(message(id_) for id_ in copies), *(message(id_, letter=False) for id_ in moved)]
    bench.dead.send([*sent, message("no-uuid", letter=False)])
    account = bench.audit(hours=24 * 30)
    assert bench.discrepancies == {
        str(gone): Discrepancy.GONE,
        str(expired): Discrepancy.DROPPED,
        **{str(id_): Discrepancy.COPY for id_ in copies},
        **{str(id_): Discrepancy.MOVED for id_ in moved},
        "no-uuid": Discrepancy.MOVED,
        str(lost): Discrepancy.LOST,
        **{str(id_): Discrepancy.UNDECIDED for id_ in fresh},
    }
    assert (account.unreconciled, account.purged) == (8, 1)
    assert str(purged) not in bench.discrepancies
    # 2 that landed; 4 dead by the ledger and 2 by the queue alone; 3 pending, of which one is lost.
    assert (dict(account.counts), account.emitted) == ({"applied": 1, "stale": 1, "dead": 6, "pending": 2}, 11)


def test_what_may_be_waiting_is_undecided(bench: Bench) -> None:
    """While anything is on the main queue, a dead intent without a letter may be a replayed one."""
    dead, pending = bench.ledger.enter("dead", ago=HOUR), bench.ledger.enter("pending", ago=HOUR)
    bench.main.send([message(uuid4(), letter=False)])
    assert bench.audit().unreconciled == 0
    assert bench.discrepancies == {str(dead): Discrepancy.UNDECIDED}
    bench.main.receive(1, visibility_seconds=900)
    assert bench.audit().unreconciled == 0
    bench.main.clock.advance(901)
    bench.main.delete([bench.main.receive(1)[0].receipt_handle])
    assert bench.audit().unreconciled == 2
    assert bench.discrepancies == {str(dead): Discrepancy.GONE, str(pending): Discrepancy.LOST}


def test_what_others_lease_is_undecided(bench: Bench) -> None:
    """A dead letter that another consumer has leased is not reported as gone."""
    id_ = bench.ledger.enter("dead", ago=HOUR)
    bench.dead.send([message(id_)])
    bench.dead.receive(1, visibility_seconds=900)
    account = bench.audit()
    assert (account.dlq.hidden, account.unreconciled, bench.discrepancies) == (
        1,
        0,
        {str(id_): Discrepancy.UNDECIDED},
    )


def test_more_letters_than_are_scanned_decide_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the scan ends before the end of the queue, intents that were not seen are not reported as gone."""
    monkeypatch.setattr(dlq_index, "MAX_LETTERS", 10)
    bench.dead.send([message(bench.ledger.enter("dead", ago=HOUR)) for _ in range(20)])
    account = bench.audit()
    assert (account.dlq.scanned, account.unreconciled) == (10, 0)
    assert list(bench.discrepancies.values()) == [Discrepancy.UNDECIDED] * 10


def test_what_the_drain_could_not_read_is_dead(bench: Bench) -> None:
    """Letters that the ledger knows nothing of count as dead; another program's messages count as nothing."""
    bench.dead.send([dead_letter(None).stamp(Outgoing("{")), message(uuid4()), Outgoing("hello")])
    account = bench.audit()
    assert (account.counts["dead"], account.emitted, account.unreconciled) == (2, 2, 0)
    assert (account.dlq.unreadable, account.dlq.foreign) == (1, 1)


def test_what_was_replayed_meanwhile_is_no_copy(bench: Bench) -> None:
    """An intent that was applied after the scan began may still have its dead letter in the scan."""
    id_ = bench.ledger.enter("applied", ago=-5)
    bench.dead.send([message(id_)])
    assert bench.audit().unreconciled == 0


def test_ids_that_callers_were_given(bench: Bench) -> None:
    """Each id counts once; an id that is unknown while the queues are empty is lost."""
    enter = bench.ledger.enter
    applied, dead, unlucky = enter("applied", ago=60 * 24 * HOUR), enter("dead", ago=HOUR), uuid4()
    others = [enter("applied", ago=HOUR), enter("dead", ago=HOUR)]
    bench.dead.send([message(dead), message(unlucky, letter=False)])
    lost, new, old = uuid4(), ids.new_id(), UUID(int=7 << 76 | 2 << 62)
    asked = [applied, applied, dead, unlucky, lost, new, old]
    account = bench.audit(iter(asked))
    assert bench.discrepancies == {
        str(unlucky): Discrepancy.MOVED,
        str(lost): Discrepancy.LOST,
        str(new): Discrepancy.UNDECIDED,
        str(old): Discrepancy.FORGOTTEN,
    }
    assert (account.given, account.emitted, account.unreconciled) == (6, 6, 2)
    assert dict(account.counts) == {"applied": 1, "dead": 2, "pending": 1}
    assert not {str(id_) for id_ in others} & bench.discrepancies.keys()
    bench.main.send([message(lost, letter=False)])
    assert bench.audit(asked).counts["pending"] == 2


class DelayedQueue(MemoryQueue):
    """A queue with a message that is not yet visible."""

    def depth(self) -> Depth:
        return replace(super().depth(), delayed=1)


OPEN: dict[str, Callable[[Bench], object]] = {
    "waiting": lambda bench: bench.main.send([message(uuid4(), letter=False)]),
    "in flight": lambda bench: (
        bench.main.send([message(uuid4(), letter=False)]),
        bench.main.receive(1, visibility_seconds=900),
    ),
    "leased": lambda bench: (
        bench.dead.send([message(bench.ledger.enter("dead", ago=HOUR))]),
        bench.dead.receive(1, visibility_seconds=900),
    ),
    "delayed": lambda bench: setattr(bench, "dead", DelayedQueue()),
    "young": lambda bench: bench.ledger.enter("dead", ago=10),
}


@pytest.mark.parametrize("cause", OPEN)
def test_while_something_is_undecided_nothing_adds_up(bench: Bench, cause: str) -> None:
    """A message in flight, a letter that was not read or a young intent leaves the verdict open."""
    assert bench.audit().verdict == Verdict.ADDS_UP
    OPEN[cause](bench)
    account = bench.audit()
    assert account.verdict == Verdict.UNDECIDED
    assert (account.unreconciled, len(account.open_questions) > 0) == (0, True)
    gone = bench.ledger.enter("applied", ago=HOUR)
    bench.dead.send([message(gone)])
    assert bench.audit().verdict == Verdict.DOES_NOT_ADD_UP


def test_a_young_intent_is_decided_at_a_time(bench: Bench) -> None:
    """The account says when the youngest undecided intent is old enough to decide."""
    bench.ledger.enter("pending", ago=200)
    bench.ledger.enter("pending", ago=10)
    (question,) = bench.audit().open_questions
    assert (question.cause, question.count) == (OpenCause.IN_TRANSIT, 2)
    assert question.settles_at
    assert timedelta(minutes=4) < question.settles_at - datetime.now(UTC) < FRESH


def test_given_ids_are_decided_without_the_others(bench: Bench) -> None:
    """What waits on the queue is open only for ids that may be among it; ids older than the ledger stay open."""
    applied, unknown, old = bench.ledger.enter("applied", ago=HOUR), uuid4(), UUID(int=7 << 76 | 2 << 62)
    bench.main.send([message(unknown, letter=False)])
    assert bench.audit([applied]).verdict == Verdict.ADDS_UP
    assert [one.cause for one in bench.audit([applied, unknown]).open_questions] == [OpenCause.WAITING]
    assert [one.cause for one in bench.audit([applied, old]).open_questions] == [OpenCause.FORGOTTEN]


def test_no_ids_at_all(bench: Bench) -> None:
    """An empty list of ids is an account of nothing, not of everything."""
    bench.ledger.enter("applied", ago=HOUR)
    account = bench.audit([])
    assert (account.given, account.emitted, dict(account.counts)) == (0, 0, {})


def test_a_newer_entry_counts(bench: Bench) -> None:
    """An intent that died in the past generation and landed in this one is applied, and counted once."""
    id_ = bench.ledger.enter("dead", ago=HOUR, generation="ledger_past")
    bench.ledger.enter("applied", ago=HOUR, id=id_)
    account = bench.audit()
    assert ({k: v for k, v in account.counts.items() if v}, account.unreconciled) == ({"applied": 1}, 0)


def test_letters_that_could_not_be_seen_leave_it_open(bench: Bench) -> None:
    """A scan sees ten messages of a FIFO message group: the dead letters behind them are not gone."""
    bench.dead = MemoryQueue(fifo=True)
    ids = [bench.ledger.enter("dead", ago=HOUR) for _ in range(25)]
    for id_ in ids:
        assert not bench.dead.send([replace(message(id_), group="a", deduplication_id=str(id_))])
    account = bench.audit()
    assert set(bench.discrepancies.values()) == {Discrepancy.UNDECIDED}
    assert (account.unreconciled, account.dlq.scanned + account.dlq.hidden) == (0, 25)


def test_held_intents_add_up(bench: Bench) -> None:
    """What is parked is pending and not lost, with or without ids, also if the ledger has forgotten it."""
    held_, lost = (bench.ledger.enter("pending", ago=HOUR) for _ in range(2))
    forgotten = uuid4()
    bench.ledger.enter("expired", ago=HOUR)
    for id_ in (held_, forgotten):
        park = "INSERT INTO penstock.held (message_id, id, kind, body, attributes)"
        bench.ledger.run(f"{park} VALUES (CAST(:id AS text), :id, 'k', '', '{{}}')", {"id": id_})
    account = bench.audit()
    assert bench.discrepancies == {str(lost): Discrepancy.LOST}
    assert (account.emitted, account.pending, account.held, account.counts["expired"]) == (3, 1, 1, 1)
    account = bench.audit([held_, forgotten])
    assert (account.emitted, account.pending, account.held, bench.found) == (2, 2, 2, [])
    bench.main.send([message(uuid4(), letter=False)])
    assert bench.audit().pending == 2
