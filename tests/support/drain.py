"""A drain of one kind with queues in memory, and its tables."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import Column, Engine, ForeignKey, Integer, MetaData, Table, Text, Uuid, select

from penstock import WriteIntent
from penstock.consumer import Append, Drain
from penstock.consumer.dead_letter import DeadLetter
from penstock.database import ledger
from penstock.testing import LambdaContext, MemoryQueue, sqs_event

metadata = MetaData()


parents = Table("parents", metadata, Column("name", Text, primary_key=True))


things = Table(
    "things",
    metadata,
    Column("intent_id", Uuid, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("size", Integer),
    Column("parent", Text, ForeignKey("parents.name")),
)


class ThingMade(WriteIntent, kind="thing.made"):
    name: str
    size: int | None = None
    parent: str | None = None


class LaterKind(WriteIntent, kind="later.kind"):
    x: int


class Bench:
    """A drain of one kind with queues in memory, and the rows that it has written."""

    def __init__(self, engine: Engine) -> None:
        metadata.create_all(engine)
        self.engine = engine
        self.queue, self.dead_letters = MemoryQueue(), MemoryQueue()
        self.drain = Drain(engine=engine, queue=self.queue, dead_letters=self.dead_letters)
        self.drain.write(ThingMade, Append(things))

    def __call__(self, messages: Iterable[WriteIntent | str | Any], **options: Any) -> list[str]:
        """Drain one event; return the ids of the messages that failed."""
        return self.failed(sqs_event(messages, **options))

    def failed(self, event: dict[str, Any]) -> list[str]:
        answer = self.drain.handler(event, LambdaContext())
        assert answer.keys() == {"batchItemFailures"}
        return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]

    @property
    def names(self) -> list[str]:
        with self.engine.connect() as connection:
            return sorted(connection.scalars(select(things.c.name)))

    @property
    def outcomes(self) -> dict[UUID, str]:
        with self.engine.connect() as connection:
            return {row.id: row.outcome for row in connection.execute(select(ledger.c.id, ledger.c.outcome))}

    @property
    def letters(self) -> list[DeadLetter]:
        letters = [DeadLetter.read(message.attributes) for message in self.dead_letters.messages]
        assert None not in letters
        return [letter for letter in letters if letter]
