"""A drain, its breaker and the probe, around a Lambda in memory."""

from typing import Any

from sqlalchemy import Column, Engine, MetaData, Table, Text, Uuid

from penstock import WriteIntent
from penstock.consumer import Append, Drain, Fault, Probe, Transition
from penstock.consumer.batch import Batch
from penstock.consumer.breaker.breaker import Breaker
from penstock.database import make_engine
from penstock.database.watchdog import Watchdog
from penstock.settings import Settings
from penstock.testing import LambdaContext, MemoryQueue, sqs_event
from tests.support.lambdas import MAPPING, LambdaStub

NOWHERE = "postgresql://nobody@127.0.0.1:1/nowhere"

notes = Table("notes", MetaData(), Column("intent_id", Uuid, primary_key=True), Column("text", Text))


class NoteTaken(WriteIntent, kind="note.taken"):
    text: str


class Bench:
    """A drain and a probe on one database, with one Lambda."""

    def __init__(self, url: str, aws: LambdaStub, mapping: str = MAPPING, *, metrics: bool = False) -> None:
        self.aws = aws
        self.engine = make_engine(url)
        self.queue, self.dead_letters = MemoryQueue(), MemoryQueue()
        queues: Any = {"queue": self.queue, "dead_letters": self.dead_letters}
        settings = Settings(event_source_mapping=mapping, metrics=metrics)
        self.moves: list[Transition] = []
        self.drain = Drain(settings, engine=self.engine, on_transition=self.moves.append, **queues)
        self.drain.write(NoteTaken, Append(notes))
        client: Any = aws
        hooks = self.drain.hooks
        self._probe = Probe(settings, engine=self.engine, client=client, hooks=lambda: hooks, **queues)

    def __call__(self, *intents: WriteIntent) -> int:
        """Drain the intents; return how many are to be retried."""
        answer = self.drain.handler(sqs_event(intents or [NoteTaken(text="a")]), LambdaContext())
        return len(answer["batchItemFailures"])

    @property
    def moved(self) -> list[tuple[str, str, str]]:
        """What the hooks were told: where the breaker is, who moved it, and the first word of why."""
        return [(move.position, move.by, (move.why or "").split(" ")[0]) for move in self.moves]

    def probe(self) -> str:
        return self._probe.handler({}, LambdaContext())["breaker"]


def consider(
    aws: LambdaStub, fault: Fault, engine: Engine, seconds: float = 60, mapping: str = MAPPING
) -> Transition | None:
    """Pass a fault to the breaker, for a batch with this many seconds left; return the transition."""
    context = LambdaContext(seconds)
    batch = Batch.of(sqs_event([NoteTaken(text="a")]), context)
    client: Any = aws
    return Breaker(mapping, client).consider(fault, Watchdog(engine), batch, context)
