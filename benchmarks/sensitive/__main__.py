"""Measure what a Sensitive field costs: to emit an intent, and to drain it, with and without one.

The key service and the queues are in memory, Postgres is embedded. The figures are the processor time of Python,
without that of Postgres.
"""

import argparse
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from sqlalchemy import Column, Engine, MetaData, Table, Text, Uuid

from benchmarks.figures import Figure, write_page
from penstock import Sensitive, WriteIntent
from penstock.consumer import Append, Drain
from penstock.database import make_engine
from penstock.producer import Producer
from penstock.settings import Settings
from penstock.testing import LambdaContext, MemoryKeys, MemoryQueue, sqs_event
from penstock.testing.database import TemplateDatabase, server

SETTINGS: Final = Settings(receipt_key="key", source="/bench", digest_key="digest")
BATCH: Final = 1000

metadata = MetaData()
plain_notes, hidden_notes = (
    Table(name, metadata, Column("intent_id", Uuid, primary_key=True), Column("name", Text), Column("text", Text))
    for name in ("plain_notes", "hidden_notes")
)


class PlainNote(WriteIntent, kind="plain.note"):
    """A note without a Sensitive field."""

    name: str
    text: str


class HiddenNote(WriteIntent, kind="hidden.note"):
    """The same note with one."""

    name: str
    text: Sensitive[str]


def plain() -> list[WriteIntent]:
    """Make intents without a Sensitive field."""
    return [PlainNote(name=f"name {n}", text=f"someone{n}@example.org") for n in range(BATCH)]


def hidden() -> list[WriteIntent]:
    """Make the same intents with one."""
    return [HiddenNote(name=f"name {n}", text=Sensitive(f"someone{n}@example.org")) for n in range(BATCH)]


KINDS: Final[dict[str, Callable[[], list[WriteIntent]]]] = {"without": plain, "with": hidden}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print a figure a line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.sensitive", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--rounds", type=int, default=20, help="batches for each figure (20)")
    parser.add_argument("--markdown", type=Path, help="path of a Markdown page to write")
    options = parser.parse_args(arguments)
    with server() as url, TemplateDatabase(url, metadata).clone() as database:
        engine = make_engine(database)
        figures = measure(engine, options.rounds)
        engine.dispose()
    for figure in figures:
        sys.stdout.write(f"{figure.name}: {figure.measured}\n")
    if options.markdown:
        introduction = (
            f"Written by `python -m benchmarks.sensitive`: {options.rounds} batches of {BATCH:,} intents with two "
            f"texts, cpus {os.cpu_count()}, machine {platform.machine()}, python {platform.python_version()}. "
            "The key service and the queues are in memory. Processor time of Python, without that of "
            "Postgres; the median."
        )
        write_page(options.markdown, "Figures of Sensitive fields", introduction, figures)


def measure(engine: Engine, rounds: int) -> list[Figure]:
    """Return the time for each intent, with and without a Sensitive field, and the size of its message."""
    keys = MemoryKeys()
    drain = Drain(SETTINGS, engine=engine, queue=MemoryQueue(), dead_letters=MemoryQueue(), keys=keys)
    drain.write(PlainNote, Append(plain_notes))
    drain.write(HiddenNote, Append(hidden_notes))
    emitting: dict[str, list[float]] = {name: [] for name in KINDS}
    draining: dict[str, list[float]] = {name: [] for name in KINDS}
    sizes = dict.fromkeys(KINDS, 0)
    for _ in range(rounds):
        # In turns, so that a busy moment of the machine does not hit one of them alone.
        for name, make in KINDS.items():
            queue, intents = MemoryQueue(), make()
            producer = Producer(SETTINGS, queue, keys=keys)
            emitting[name].append(_microseconds(partial(producer.emit_many, intents)))
            bodies = [message.body for message in queue.messages]
            sizes[name] = max(map(len, bodies))
            draining[name].append(_microseconds(partial(_drained, drain, bodies)))
    return [
        *_compared("emit", emitting),
        *_compared("drain", draining),
        *(Figure(f"message {name}", size, "bytes") for name, size in sizes.items()),
    ]


def _drained(drain: Drain, bodies: Sequence[str]) -> None:
    if drain.handler(sqs_event(bodies), LambdaContext())["batchItemFailures"]:
        raise RuntimeError("a row was not written")


def _microseconds(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return (time.process_time() - begun) / BATCH * 1_000_000


def _compared(what: str, times: dict[str, list[float]]) -> list[Figure]:
    medians = {name: statistics.median(some) for name, some in times.items()}
    return [
        *(Figure(f"{what} {name}", value, "µs an intent") for name, value in medians.items()),
        Figure(f"{what}: with / without", medians["with"] / medians["without"]),
    ]


if __name__ == "__main__":
    main()
