"""A queue, its drain, the breaker and the probe over weeks of simulated time, minute by minute."""

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine

from penstock.consumer import Append, Drain, Probe
from penstock.consumer.dead_letter import DeadLetter
from penstock.consumer.retention import Retention
from penstock.intents import encode_envelope
from penstock.queue import Outgoing, Received
from penstock.settings import Settings
from penstock.testing import LambdaContext, ManualClock, MemoryQueue, sqs_event
from tests.support.breaker import NoteTaken, notes
from tests.support.lambdas import MAPPING, LambdaStub

MINUTE, HOUR, DAY = 60, 3600, 86_400
_VISIBILITY_SECONDS = 181


@dataclass(frozen=True)
class Consumers:
    """A drain and a probe with one database."""

    drain: Drain
    probe: Probe


class Simulation:
    """A service of two databases: one that is well, and one that is away."""

    def __init__(self, aws: LambdaStub, well: Engine, away: Engine, *, fifo: bool, days: float = 14) -> None:
        """Begin without messages, with a mapping that is enabled.

        Args:
            aws: the Lambda; the breaker must get it from `lambda_client`.
            well: a database.
            away: an engine that cannot connect.
            fifo: whether both queues are FIFO queues.
            days: the retention of the queue.
        """
        self.aws = aws
        self.clock = self.aws.clock = ManualClock()
        self.queue = MemoryQueue(self.clock, fifo=fifo, retention_seconds=int(days * DAY))
        self.dead_letters = MemoryQueue(self.clock, fifo=fifo)
        self.well, self.away = self._consumers(well), self._consumers(away)
        self.pause = Retention(self.queue).longest_delay_seconds
        self.sent: set[str] = set()

    def _consumers(self, engine: Engine) -> Consumers:
        settings = Settings(event_source_mapping=MAPPING)
        queues: Any = {"engine": engine, "queue": self.queue, "dead_letters": self.dead_letters}
        drain = Drain(settings, **queues)
        drain.write(NoteTaken, Append(notes))
        client: Any = self.aws
        return Consumers(drain, Probe(settings, client=client, **queues))

    def send(self) -> None:
        """Emit an intent."""
        number = len(self.sent)
        intent = NoteTaken(text=str(number))
        group = f"group-{number % 3}" if self.queue.fifo else None
        body = encode_envelope(intent, id=intent.intent_id, source="/test")
        assert self.queue.send([Outgoing(body, {}, group, str(number) if group else None)]) == {}
        self.sent.add(str(intent.intent_id))

    def run(self, minutes: int, drain: Drain, probe: Probe, every: int = 0) -> None:
        """Let time pass. Each minute the probe runs, and the mapping, if it is enabled, feeds the drain.

        While the mapping is disabled and no sweep is near, ten minutes pass at a time.

        Args:
            minutes: how long.
            drain: the drain that is invoked.
            probe: the probe.
            every: an intent is emitted every so many minutes; 0 for none.
        """
        end, next_send = self.clock() + minutes * MINUTE, self.clock()
        while self.clock() < end:
            if every and self.clock() >= next_send:
                self.send()
                next_send += every * MINUTE
            while self.aws.on and (leased := self.queue.receive(10, visibility_seconds=_VISIBILITY_SECONDS)):
                self._invoke(drain, leased)
            probe.handler({}, LambdaContext())
            quiet = not self.aws.on and 30 * MINUTE <= self.clock() % self.pause < self.pause - 10 * MINUTE
            self.clock.advance(10 * MINUTE if quiet else MINUTE)

    def _invoke(self, drain: Drain, leased: list[Received]) -> None:
        event = sqs_event(leased)
        for number, record in enumerate(event["Records"]):
            record["attributes"] |= {"SequenceNumber": str(number)} if self.queue.fifo else {}
        back = {f["itemIdentifier"] for f in drain.handler(event, LambdaContext())["batchItemFailures"]}
        self.queue.delete([message.receipt_handle for message in leased if message.message_id not in back])

    @property
    def letters(self) -> dict[str, DeadLetter]:
        """The dead letters by intent id."""
        letters = {}
        for message in self.dead_letters.messages:
            letter = DeadLetter.read(message.attributes)
            assert letter is not None
            letters[json.loads(message.body)["id"]] = letter
        return letters
