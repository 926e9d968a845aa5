"""Laws 2, 9 and 10 for what is not written: intents that expire, and kinds that are held and released."""

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine

from penstock import WriteIntent
from penstock.cli.hold.store import HoldStore
from penstock.intents import encode_envelope
from penstock.queue import BATCH_LIMIT, Outgoing
from penstock.testing import MemoryQueue, sqs_event
from tests.support.consumers import clean, deliver, deliver_all, every_mode, tables
from tests.support.cuts import Cut
from tests.support.holds import parked, release, send_parked, store_of
from tests.support.modes import Adjusted, changed, outcomes, placed, stock

PAST = datetime.now(UTC) - timedelta(hours=1)
HELD = "adjusted"


def expired(intent: WriteIntent) -> str:
    return encode_envelope(intent, id=intent.intent_id, source="/test", expires_at=PAST)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_cut_between_parking_and_expiring_loses_and_repeats_nothing(engine: Engine, moment: str) -> None:
    """At whichever statement the connection is cut, each message is parked once, and each late intent expires."""
    drain, dead = every_mode(engine)
    store, queue, cut = store_of(engine), MemoryQueue(), Cut(engine)
    late, adjusted, other = placed(3, "late"), [Adjusted(sku="a", delta=n) for n in (1, 2)], changed(1, number=4)
    records = sqs_event([*adjusted, expired(late), other, adjusted[0]])["Records"]
    statements: list[str] = []

    def drain_all(number: int | None) -> None:
        clean(engine)
        store.hold(HELD, None, "me")
        drain._holds.forget()
        cut.count_to(number, moment)
        deliver_all(drain, records)

    def check(where: str) -> None:
        cut.count_to(None, "")
        found = outcomes(engine)
        assert found.pop(late.intent_id) == "expired", where
        assert found.pop(other.intent_id) == "applied", where
        assert found == {one.intent_id: "pending" for one in adjusted}, where
        assert parked(engine) == len(adjusted), where
        assert release(store, queue, HELD) == len(adjusted)
        messages = queue.receive(BATCH_LIMIT)
        assert deliver(drain, sqs_event(messages)["Records"]) == []
        queue.delete([message.receipt_handle for message in messages])
        assert (tables(engine)[stock.name], parked(engine)) == (Counter({("a", 3, 0): 1}), 0), where

    drain_all(None)
    statements += cut.statements
    check("whole")
    for number in range(moment == "after", len(statements), 2):
        drain_all(number)
        check(f"cut {moment} {number}: {statements[number]}")
    assert dead.messages == []


class Service:
    """A drain, its queue and its holds; everything may happen twice, and a release may be killed."""

    def __init__(self, engine: Engine, seed: int) -> None:
        self.engine = engine
        self.random = random.Random(seed)  # noqa: S311 (no secret)
        self.drain, self.dead = every_mode(engine)
        self.queue, self.store = MemoryQueue(), store_of(engine)
        self.killed = store_of(engine)
        self.killed.forget = self._kill  # type: ignore[method-assign]

    def _kill(self, message_ids: Any) -> None:
        HoldStore.forget(self.killed, message_ids[: self.random.randrange(len(message_ids) + 1)])
        raise InterruptedError

    def step(self) -> None:
        self.random.choice([self.hold, self.take, self.take, self.take, self.release, self.cut_release])()

    def hold(self) -> None:
        self.store.hold(HELD, None, "me")

    def take(self) -> None:
        messages = self.queue.receive(BATCH_LIMIT, visibility_seconds=1)
        self.random.shuffle(messages)
        assert deliver(self.drain, sqs_event(messages)["Records"]) == [] if messages else True
        # Sometimes the answer is lost, and SQS delivers the messages again.
        if self.random.random() < 0.7:
            self.queue.delete([message.receipt_handle for message in messages])
        self.queue.clock.advance(2)

    def release(self) -> None:
        if self.store.begin_release(HELD):
            send_parked(self.store, self.queue, HELD)

    def cut_release(self) -> None:
        if parked(self.engine):
            assert self.store.begin_release(HELD)
            with pytest.raises(InterruptedError):
                send_parked(self.killed, self.queue, HELD)


@pytest.mark.parametrize("seed", range(3))
def test_holds_and_releases_in_any_order_write_each_intent_once(engine: Engine, seed: int) -> None:
    """Duplicates, reordering, lost answers and killed releases leave the tables of a plain run."""
    service = Service(engine, seed)
    intents = [Adjusted(sku="a", delta=2**n) for n in range(20)]
    bodies = [encode_envelope(one, id=one.intent_id, source="/test") for one in intents]
    sent = service.random.sample(bodies * 2, len(bodies) * 2)
    for body in sent:
        service.queue.send([Outgoing(body)])
        service.step()
    service.release()
    while service.queue.messages:
        service.take()
    assert (parked(engine), service.store.list(), service.dead.messages) == (0, [], [])
    assert tables(engine)[stock.name] == Counter({("a", 2**20 - 1, 0): 1})
    assert outcomes(engine) == dict.fromkeys([UUID(str(one.intent_id)) for one in intents], "applied")
