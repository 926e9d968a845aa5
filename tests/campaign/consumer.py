"""A consumer in its own process, which gets batches through a pipe and can be killed at any moment."""

import logging
import os
import signal
from collections import Counter
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Literal, Self

from penstock.database import make_engine
from penstock.testing import LambdaContext
from tests.support.consumers import every_mode

Moment = Literal["before COMMIT", "after COMMIT"]

TIMEOUT_SECONDS = 60.0
# Forked from a process that has imported this module and started no thread, so that a new consumer starts fast.
_PROCESSES = get_context("forkserver")
_PROCESSES.set_forkserver_preload([__name__])


@dataclass
class Answer:
    """The answer of a consumer to one batch.

    Attributes:
        failed: the ids of the messages that are to be delivered again.
        dead: the ids of all intents that this consumer has dead-lettered so far.
        handed_back: how many records went back, by fault.
    """

    failed: set[str]
    dead: set[str]
    handed_back: Counter[str] = field(default_factory=Counter)


class Consumer:
    """A process that drains batches into a database whose tables exist already."""

    def __init__(self, url: str, suicide: Moment | None = None) -> None:
        """Start it and wait until it is ready; with `suicide` it kills itself at that moment of its batch."""
        self._pipe, theirs = _PROCESSES.Pipe()
        self.process = _PROCESSES.Process(target=_consume, args=(theirs, url, suicide), daemon=True)
        self.process.start()
        # Only the child holds the other end now, so its death is noticed at this end.
        theirs.close()
        assert self.drain([]), "the consumer does not start"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def drain(self, records: list[Any], seconds: float = TIMEOUT_SECONDS) -> Answer | None:
        """Deliver a batch; return the answer, or None if it does not come in time.

        Raises:
            EOFError: the process has died.
        """
        self._pipe.send(records)
        if not self._pipe.poll(max(0.0, seconds)):
            return None
        answer: Answer = self._pipe.recv()
        return answer

    def kill(self) -> None:
        """Kill it, as a crash would, if it is still running."""
        self.process.kill()
        self.process.join(TIMEOUT_SECONDS)
        self._pipe.close()


class _Faults(logging.Handler):
    """Counts the records that were handed back, by fault, from the log."""

    def __init__(self) -> None:
        super().__init__()
        self.handed_back: Counter[str] = Counter()

    def emit(self, record: logging.LogRecord) -> None:
        logged = vars(record)
        if logged.get("action") == "handed_back":
            self.handed_back[logged["fault"]] += logged["records"]


def _consume(pipe: Connection, url: str, suicide: Moment | None) -> None:
    engine = make_engine(url)
    drain, dead = every_mode(engine)
    if suicide:
        commit = engine.dialect.do_commit

        def die(connection: Any) -> None:
            if suicide == "after COMMIT":
                commit(connection)
            os.kill(os.getpid(), signal.SIGKILL)

        engine.dialect.do_commit = die  # type: ignore[method-assign, assignment]
    while True:
        logging.getLogger("penstock").handlers = [faults := _Faults()]
        answer = drain.handler({"Records": pipe.recv()}, LambdaContext())
        failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        pipe.send(Answer(failed, {letter["id"] for letter in dead.bodies}, faults.handed_back))
