"""Drain a queue in memory into a test's database, and look at what it left there."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, select

from penstock.consumer.dead_letter import DeadLetter
from penstock.consumer.drain import Drain
from penstock.consumer.mapping.columns import TableLike, table_of
from penstock.database.engine import drain_engine
from penstock.database.ledger import PENDING, ledger
from penstock.intents import EnvelopeError, WriteIntent
from penstock.intents.packs import singles
from penstock.queue import BATCH_LIMIT, Received
from penstock.settings import Settings
from penstock.testing.context import LambdaContext
from penstock.testing.emitted import Emitted
from penstock.testing.events import sqs_event
from penstock.testing.keys import DIGEST_KEY, MemoryKeys
from penstock.testing.queue import MemoryQueue


@dataclass(frozen=True, slots=True)
class Drained:
    """What one invocation of a drain has left.

    Attributes:
        outcomes: the outcome of each intent by its id: `applied`, `stale`, `dead`, `expired`; or `pending`, if it
            was handed back or is held. The log says why.
        dead_letters: why each dead intent is dead, oldest first.
        engine: of the database.
    """

    outcomes: Mapping[UUID, str]
    dead_letters: list[DeadLetter]
    engine: Engine

    def rows(self, table: TableLike) -> list[dict[str, Any]]:
        """Return the rows of a table, or of a declarative class, in the order of the primary key."""
        rows_of = table_of(table)
        with self.engine.connect() as connection:
            found = connection.execute(select(rows_of).order_by(*rows_of.primary_key))
            return [dict(row) for row in found.mappings()]


class QueueDrain:
    """Drains what was emitted, with the kinds and write modes of a service's drain.

        def test_a_request_becomes_a_row(penstock_emitted, penstock_drained):
            emit(StockAdjusted(sku="A1", delta=5))
            assert penstock_drained(drain).rows(stock) == [{"sku": "A1", "quantity": 5}]

    Attributes:
        dead_letters: the dead-letter queue.
    """

    def __init__(self, emitted: Emitted, database_url: str) -> None:
        """Drain the queue of `emitted` into a database that has the framework's and the service's tables."""
        self.dead_letters = MemoryQueue(emitted.queue.clock, fifo=emitted.queue.fifo)
        self._emitted = emitted
        self._engine = drain_engine(Settings(database_url=database_url))
        self._bound: dict[Drain, Drain] = {}

    def __call__(self, drain: Drain, intents: Iterable[WriteIntent] = ()) -> Drained:
        """Drain all messages of the queue that are visible, as one batch.

        Args:
            drain: says which kind is written how. Its own engine and queues are not used.
            intents: are emitted first.
        """
        self._emitted.emit_many(intents)
        bound = self._bound.get(drain) or self._bind(drain)
        messages = self._receive()
        known = len(self.dead_letters.messages)
        if messages:
            self._invoke(bound, messages)
        letters = [DeadLetter.read(message.attributes) for message in self.dead_letters.messages[known:]]
        return Drained(self._outcomes(bound, messages), [one for one in letters if one], self._engine)

    def close(self) -> None:
        """Close the connections to the database."""
        self._engine.dispose()

    def _bind(self, drain: Drain) -> Drain:
        bound = drain.using(
            Settings(digest_key=DIGEST_KEY),
            engine=self._engine,
            queue=self._emitted.queue,
            dead_letters=self.dead_letters,
            keys=MemoryKeys(),
        )
        self._bound[drain] = bound
        return bound

    def _receive(self) -> list[Received]:
        messages: list[Received] = []
        while more := self._emitted.queue.receive(BATCH_LIMIT):
            messages += more
        return messages

    def _invoke(self, drain: Drain, messages: list[Received]) -> None:
        """Drain one event, and delete what the drain does not hand back, as the event source mapping does."""
        answer = drain.handler(sqs_event(messages), LambdaContext())
        failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        done = [message.receipt_handle for message in messages if message.message_id not in failed]
        self._emitted.queue.delete(done)

    def _outcomes(self, drain: Drain, messages: list[Received]) -> dict[UUID, str]:
        bodies = [body for message in messages for body in singles(message.body)]
        ids = [id_ for body in bodies if (id_ := _id(drain, body))]
        with self._engine.connect() as connection:
            found = connection.execute(select(ledger.c.id, ledger.c.outcome).where(ledger.c.id.in_(ids)))
            return dict.fromkeys(ids, PENDING) | {row.id: row.outcome for row in found}


def _id(drain: Drain, body: str) -> UUID | None:
    try:
        return drain.contract.decode(body).id
    except EnvelopeError as error:
        return error.head.id if error.head else None
