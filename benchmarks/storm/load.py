"""The load: instances with one user each, as threads of a few processes."""

import os
import random
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from types import TracebackType
from typing import Final, Self
from uuid import UUID

import psycopg

from benchmarks.storm.contenders import CONTENDERS
from benchmarks.storm.instances import Instance
from benchmarks.storm.model import FIRST_SECONDS, Answer, Request, Storm
from benchmarks.storm.processes import PROCESSES
from penstock.producer import NotAcknowledged

PER_PROCESS: Final = 250
"""How many instances share a process."""

ANSWER_SECONDS: Final = 180.0
"""How long an answer may take; PgBouncer lets a client wait for 120 s (`query_wait_timeout`)."""

NOTE: Final = "x" * 100


@dataclass(frozen=True, slots=True)
class Job:
    """What the instances do.

    Attributes:
        contender: the name of the contender.
        address: what its instances write to.
        environment: the environment variables of the instances.
        storm: the storm.
    """

    contender: str
    address: str
    environment: Mapping[str, str]
    storm: Storm


class Load:
    """The processes of a load. They make their instances at once, and wait for the beginning."""

    def __init__(self, job: Job) -> None:
        """Start the processes."""
        self._limit_seconds = job.storm.seconds + ANSWER_SECONDS
        self._pipes: list[Connection] = []
        self._processes: list[ForkServerProcess] = []
        for first in range(0, job.storm.instances, PER_PROCESS):
            self._start(job, range(first, min(first + PER_PROCESS, job.storm.instances)))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pipe, process in zip(self._pipes, self._processes, strict=True):
            pipe.close()
            process.terminate()
            process.join()

    def begin(self) -> float:
        """Begin, once all instances are made; return the time of the start (monotonic clock)."""
        for pipe in self._pipes:
            pipe.recv()
        start = time.monotonic()
        for pipe in self._pipes:
            pipe.send(start)
        return start

    def answers(self) -> list[Answer]:
        """Wait for the end of the storm; return all answers.

        Raises:
            TimeoutError: an instance does not answer.
        """
        found: list[Answer] = []
        for pipe in self._pipes:
            if not pipe.poll(self._limit_seconds):
                raise TimeoutError(f"an instance has not answered after {self._limit_seconds:.0f} s")
            found += pipe.recv()
        return found

    def _start(self, job: Job, numbers: range) -> None:
        mine, theirs = PROCESSES.Pipe()
        process = PROCESSES.Process(target=_run, args=(theirs, job, numbers))
        process.start()
        # Only the process holds this end now: if it dies, the other end says so.
        theirs.close()
        self._pipes.append(mine)
        self._processes.append(process)


def _run(pipe: Connection, job: Job, numbers: range) -> None:
    os.environ.update(job.environment)
    make_instance = CONTENDERS[job.contender].make_instance
    instances = {number: make_instance(job.address) for number in numbers}
    pipe.send("ready")
    start: float = pipe.recv()
    answers: list[Answer] = []
    users = [
        threading.Thread(target=_use, args=(instance, number, job.storm, start, answers))
        for number, instance in instances.items()
    ]
    for user in users:
        user.start()
    for user in users:
        user.join()
    pipe.send(answers)


def _use(instance: Instance, number: int, storm: Storm, start: float, answers: list[Answer]) -> None:
    """Send requests to one instance, one after the other, until the end of the storm."""
    # The same for each contender.
    chance = random.Random(number)  # noqa: S311
    moment = chance.uniform(0, min(FIRST_SECONDS, storm.seconds))
    while moment < storm.seconds:
        time.sleep(max(0.0, start + moment - time.monotonic()))
        at = time.monotonic() - start
        request = Request(UUID(int=chance.getrandbits(128), version=4), number, NOTE)
        error = _ask(instance, request)
        answers.append(Answer(request.request_id, at, time.monotonic() - start - at, error))
        moment = time.monotonic() - start + chance.uniform(storm.pause / 2, storm.pause * 1.5)


def _ask(instance: Instance, request: Request) -> str | None:
    try:
        instance(request)
    except Exception as error:  # noqa: BLE001 (a function that raises anything has failed its caller)
        return reason(error)
    return None


def reason(error: Exception) -> str:
    """Return why a request failed: what the database or the queue says, in one line, or the class of the error."""
    if isinstance(error, NotAcknowledged):
        return str(error)
    cause = getattr(error, "orig", error)
    if not isinstance(cause, psycopg.Error):
        return type(error).__name__
    first, _, _ = str(cause).strip().partition("\n")
    return first.rpartition(" failed: ")[2].removeprefix("FATAL:").strip() or type(cause).__name__
