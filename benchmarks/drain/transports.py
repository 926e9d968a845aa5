"""`python -m benchmarks.drain.transports`: measures whether two transports of field values are worth their code.

A batch travels to Postgres as a few parameters (`penstock/consumer/rows/transport.py`). A field of plain values is
one array. All other fields (objects, lists, enums) travel together as one JSON text, which `json_to_recordset`
takes apart. Arrays alone are not enough: `json_to_recordset` turns a JSON list into an array of any type and
dimension, and `unnest` flattens an array of arrays. JSON alone would be enough. So the
benchmark measures what the arrays save.

Contenders, on the same intents and the same table, with one connection each:

    both    the transports as they are: arrays where a field allows it, JSON for the rest
    json    every field in the JSON text; id and time are still arrays, which favours this contender
    again   the same as `both`: the distance of its ratio from 1 is the noise of the run

The benchmark measures the processor time from the Lambda event to the commit, of this process and of its Postgres
backend (`/proc/PID/schedstat`, so Linux only). On a machine with other load it varies less than elapsed time.
A ratio is the median of the ratios of all rounds. The turns of one round follow each other directly, in an order
that changes from round to round. The bytes are those of all parameters of one batch; no network is measured.

A speed of json / both of at least 0.95, in total and of Postgres alone, would mean that JSON alone is enough.
"""

import argparse
import gc
import logging
import os
import platform
import random
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

from rich.console import Console

from benchmarks.drain.contenders import SETTLING
from benchmarks.drain.events import Event
from benchmarks.drain.rounds import WARM_UP
from benchmarks.drain.server import LEDGERS, Database, server
from benchmarks.drain.transport_tables import CASES, Case, metadata
from benchmarks.drain.usage import backend_seconds
from benchmarks.figures import Figure, write_page
from penstock.consumer import Append, Drain
from penstock.consumer.pipeline.trip import Trip
from penstock.database import make_engine
from penstock.testing import LambdaContext, MemoryQueue, sqs_event

CONTENDERS = {"both": False, "json": True, "again": False}
"""Whether each contender sends every field as JSON."""

ENOUGH = 0.95
"""The part of the speed of both transports at which JSON alone is enough."""

_SWITCH = "penstock.consumer.rows.transport.sent_as_array"
_stderr = Console(stderr=True)
_stdout = Console(width=None if sys.stdout.isatty() else 120)
_order = random.Random(20_261_120)  # noqa: S311 (the same order in every run)


class Used(NamedTuple):
    """Processor time in seconds.

    Attributes:
        drain: that of this process.
        postgres: that of the Postgres backend.
    """

    drain: float
    postgres: float


class Contender:
    """A drain of one kind, with one connection."""

    def __init__(self, url: str, case: Case, *, json_only: bool) -> None:
        """Bind the kind; this chooses the transport of each field."""
        self.bytes_sent = 0
        self._engine = make_engine(url, pre_ping=False)
        self._drain = Drain(engine=self._engine, queue=MemoryQueue(), dead_letters=MemoryQueue())
        with patch(_SWITCH, return_value=False) if json_only else nullcontext():
            self._drain.write(case.intent, Append(case.table))

    def drain(self, event: Event) -> None:
        """Drain an event; fail if a record is returned to the queue."""
        assert self._drain.handler(event, LambdaContext()) == {"batchItemFailures": []}

    def measure(self, event: Event) -> Used:
        """Drain an event; return the processor time."""
        backend = self._backend()
        postgres, drain = _backend_seconds(backend), time.process_time()
        self.drain(event)
        drain, postgres = time.process_time() - drain, _backend_seconds(backend) - postgres
        return Used(drain, postgres)

    def _backend(self) -> int:
        with self._engine.connect() as connection:
            return int(connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())

    def count_bytes(self, event: Event) -> None:
        """Drain an event and add the bytes of all parameters to `bytes_sent`."""
        send = Trip.send

        def count(
            trip: Trip, statement: bytes, arguments: Sequence[bytes | None] = (), *more: Any, **named: Any
        ) -> None:
            self.bytes_sent += sum(len(one) for one in arguments if one)
            send(trip, statement, arguments, *more, **named)

        with patch.object(Trip, "send", count):
            self.drain(event)

    def close(self) -> None:
        """Close the connection."""
        self._engine.dispose()


def _backend_seconds(backend: int) -> float:
    seconds = backend_seconds(backend)
    assert seconds is not None, "the processor time of Postgres is read from /proc"
    return seconds


class Race:
    """All contenders on one table."""

    def __init__(self, database: Database, case: Case, size: int) -> None:
        self._database, self._case, self._size = database, case, size
        self._contenders = {
            name: Contender(database.url, case, json_only=json_only) for name, json_only in CONTENDERS.items()
        }

    def run(self, rounds: int) -> list[Figure]:
        """Return the figures of a number of counted rounds."""
        used: dict[str, list[Used]] = {name: [] for name in self._contenders}
        try:
            for _ in range(WARM_UP + rounds):
                event = self._event(self._size)
                for name in _order.sample([*used], len(used)):
                    with self._turn(self._contenders[name]) as contender:
                        used[name].append(contender.measure(event))
            event = self._event(self._size)
            for one in self._contenders.values():
                with self._turn(one) as contender:
                    contender.count_bytes(event)
        finally:
            for contender in self._contenders.values():
                contender.close()
        return self._figures({name: figures[WARM_UP:] for name, figures in used.items()})

    @contextmanager
    def _turn(self, contender: Contender) -> Iterator[Contender]:
        self._database.empty(self._case.table.name, *LEDGERS)
        contender.drain(self._event(SETTLING))
        gc.collect()
        yield contender
        assert self._database.count(self._case.table.name) == SETTLING + self._size

    def _event(self, size: int) -> Event:
        return sqs_event([self._case.make() for _ in range(size)])

    def _figures(self, used: Mapping[str, Sequence[Used]]) -> list[Figure]:
        case, sent = self._case.name, {name: one.bytes_sent for name, one in self._contenders.items()}
        whole = {name: [sum(one) for one in turns] for name, turns in used.items()}
        postgres = {name: [one.postgres for one in turns] for name, turns in used.items()}
        return [
            Figure(f"{case}: bytes, json / both", sent["json"] / sent["both"]),
            *(
                _cost(f"{case}: {title}, both", parts["both"], self._size)
                for title, parts in (("drain and Postgres", whole), ("Postgres alone", postgres))
            ),
            *(
                _speed(f"{case}: speed, {title}", parts, name)
                for name in ("json", "again")
                for title, parts in ((f"{name} / both", whole), (f"{name} / both, Postgres alone", postgres))
            ),
        ]


def _cost(title: str, seconds: Sequence[float], records: int) -> Figure:
    return Figure(title, statistics.median(seconds) / records * 1e6, unit="µs a record")


def _speed(title: str, seconds: Mapping[str, Sequence[float]], name: str) -> Figure:
    ratios = [both / other for both, other in zip(seconds["both"], seconds[name], strict=True)]
    return Figure(title, statistics.median(ratios), at_least=ENOUGH if name == "json" else None)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the figures, and with `--markdown` write them as a page."""
    options = _parser().parse_args(arguments)
    logging.getLogger("penstock").addHandler(logging.NullHandler())
    with server(durable=True) as postgres, closing(Database(postgres, "bench")) as database:
        _make_tables(database.url)
        figures: list[Figure] = []
        for case in CASES:
            _stderr.print(f"[dim]{case.name}, {options.size:,} records[/dim]")
            figures += Race(database, case, options.size).run(options.rounds)
        settings = database.settings()
    for figure in figures:
        _stdout.print(f"{figure.name:<50} {figure.measured:>20}", highlight=False)
    if options.markdown:
        machine = {"cpus": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()}
        conditions = ", ".join(f"{name} {value}" for name, value in {**machine, **settings}.items())
        measured = f"{options.size:,} records a batch, {options.rounds} rounds, {conditions}"
        command = "python -m benchmarks.drain.transports"
        introduction = f"Written by `{command}`: {measured}. How to read it: `benchmarks/drain/transports.py`."
        write_page(options.markdown, "Figures of the transports", introduction, figures)


def _make_tables(url: str) -> None:
    engine = make_engine(url)
    metadata.create_all(engine)
    engine.dispose()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.drain.transports", description="Compare arrays with JSON."
    )
    parser.add_argument("--size", type=int, default=1000, help="records per batch")
    parser.add_argument("--rounds", type=int, default=61, help="number of counted rounds")
    parser.add_argument("--markdown", type=Path, help="path of a Markdown page of the figures; none by default")
    return parser


if __name__ == "__main__":
    main()
