"""Several drains of every mode that share a pooler, and what their batches should leave."""

import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

from sqlalchemy import Engine

from penstock.database import make_engine
from penstock.testing import MemoryQueue, sqs_event
from tests.support.consumers import clean, deliver, every_mode, tables
from tests.support.cuts import BATCHES, BEFORE
from tests.support.modes import outcomes

DRAINS = 4


def shuffled(records: list[Any], seed: int) -> list[list[Any]]:
    """Return the records in another order, cut into batches."""
    records = random.Random(seed).sample(records, len(records))  # noqa: S311 (no secret)
    return [records[start : start + 9] for start in range(0, len(records), 9)]


def settled(engine: Engine) -> dict[Any, bool]:
    """Return whether each intent is dead. Whether one is applied or stale depends on the order."""
    return {id_: outcome == "dead" for id_, outcome in outcomes(engine).items()}


class SharedPool:
    """Four drains of every mode that share a PgBouncer, and what each of their batches should leave."""

    def __init__(self, engine: Engine, url: str) -> None:
        self.engine, self.engines = engine, [make_engine(url, pre_ping=False) for _ in range(DRAINS)]
        direct, _ = every_mode(engine)
        clean(engine)
        self.drains = [
            direct.using(engine=one, queue=MemoryQueue(), dead_letters=MemoryQueue()) for one in self.engines
        ]
        self.records = sqs_event(BATCHES["two bad"])["Records"]
        for records in (sqs_event(BEFORE)["Records"], self.records):
            assert deliver(direct, records) == []
        self.expected = tables(engine), settled(engine)
        clean(engine)
        assert deliver(direct, sqs_event(BEFORE)["Records"]) == []

    def run(self, disturb: Callable[[], None] = lambda: None) -> None:
        """Deliver everything through every drain, each in its own order, while something disturbs them."""
        disturbed = Event()

        def deliver_all(number: int) -> None:
            back = shuffled(self.records, number)
            end = time.monotonic() + 60
            while back or not disturbed.is_set():
                assert time.monotonic() < end
                back = back or shuffled(self.records, number)
                back = [failed for batch in back if (failed := deliver(self.drains[number], batch))]

        with ThreadPoolExecutor(DRAINS) as pool:
            runs = [pool.submit(deliver_all, number) for number in range(DRAINS)]
            try:
                disturb()
            finally:
                disturbed.set()
            for one in runs:
                one.result()

    def check(self) -> None:
        assert (tables(self.engine), settled(self.engine)) == self.expected

    def dispose(self) -> None:
        for engine in self.engines:
            engine.dispose()
