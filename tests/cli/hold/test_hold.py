"""`penstock hold` and `penstock release` on a stage, here and through its function."""

import io
import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from sqlalchemy import Engine, text

from penstock.cli.support.stage import Stage
from penstock.functions.migration import Migration
from penstock.settings import Settings
from penstock.testing import LambdaContext, MemoryQueue
from tests.support.cli_stack import Run
from tests.support.drain import Bench, ThingMade
from tests.support.holds import parked, store_of
from tests.support.project import ROOT

KIND = "stock.adjusted"
PARKED = "thing.made"


class Aws:
    """What a stage has in AWS; its function `migrate` runs in this process."""

    def __init__(self, database_url: str) -> None:
        self.settings = Settings(database_url=database_url)

    def describe_stacks(self, **_: Any) -> dict[str, Any]:
        return {"Stacks": [{"Outputs": [{"OutputKey": "MigrateFunctionName", "OutputValue": "shop-dev-migrate"}]}]}

    def get_caller_identity(self) -> dict[str, str]:
        return {"Arn": "arn:aws:iam::1:user/alice"}

    def invoke(self, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803 (AWS's names)
        assert FunctionName == "shop-dev-migrate"
        answer = Migration(settings=self.settings).handler(json.loads(Payload), LambdaContext())
        return {"Payload": io.BytesIO(json.dumps(answer).encode())}


@pytest.fixture
def queue(database_url: str, monkeypatch: pytest.MonkeyPatch) -> MemoryQueue:
    """The queue of the shop's stage `dev`; commands run in the shop's folder."""
    queue, aws = MemoryQueue(), Aws(database_url)
    monkeypatch.setattr(boto3.Session, "client", lambda *_words, **_options: aws)
    queues = SimpleNamespace(main=queue, dead=MemoryQueue(), retention_seconds=1_209_600)
    monkeypatch.setattr(Stage, "queues", lambda _: queues)
    monkeypatch.setenv("PENSTOCK_DATABASE_URL", database_url)
    monkeypatch.chdir(ROOT)
    return queue


STAGE = ("--stage", "dev")


@pytest.mark.parametrize("where", [(), ("--remote",)])
def test_a_hold_and_its_release(queue: MemoryQueue, engine: Engine, run: Run, where: tuple[str, ...]) -> None:
    """Both work with the database here and through the function, and are on record with the operator."""
    assert run("hold", *STAGE, *where).err.splitlines()[-1] == "no kind is held"
    assert run("hold", KIND, "--reason", "new column", *STAGE, *where).code == 0
    bench, store = Bench(engine), store_of(engine)
    store.hold(PARKED, None, "me")
    assert bench([ThingMade(name=f"t{n}") for n in range(250)]) == []
    rows = run("hold", "--json", *STAGE, *where).rows
    assert [(row["kind"], row["count"]) for row in rows] == [(KIND, 0), (PARKED, 250)]
    assert {row["state"] for row in rows} == {"held"}
    assert (rows[0]["by"], rows[0]["reason"]) == ("user/alice", "new column")
    ended = run("release", PARKED, *STAGE, *where)
    assert (ended.code, ended.err.splitlines()[-1]) == (0, "250 released")
    assert [body["data"]["name"] for body in queue.bodies] == [f"t{n}" for n in range(250)]
    assert run("release", KIND, *STAGE, *where).code == 0
    assert (store.list(), parked(engine)) == ([], 0)
    with engine.connect() as connection:
        records = text("SELECT action, actor, counts FROM penstock.operation ORDER BY begun_at")
        recorded = connection.execute(records)
        assert [tuple(row) for row in recorded] == [
            ("hold", "user/alice", {}),
            ("hold", "me", {}),
            ("release", "user/alice", {"released": 250}),
            ("release", "user/alice", {"released": 0}),
        ]


def test_what_cannot_be_held_or_released(queue: MemoryQueue, engine: Engine, run: Run) -> None:
    """A kind that there is not comes with a suggestion, a FIFO queue with the way out; nothing is done."""
    store = store_of(engine)
    unknown = run("hold", "stock.adjustd", *STAGE)
    assert (unknown.code, "did you mean 'stock.adjusted'?" in unknown.err) == (2, True)
    assert run("hold", "--reason", "x", *STAGE).code == 2
    queue.fifo = True
    fifo = run("hold", KIND, *STAGE)
    assert (fifo.code, "penstock breaker open" in fifo.err) == (2, True)
    nothing = run("release", KIND, *STAGE)
    assert (nothing.code, "held: nothing" in nothing.err) == (2, True)
    store.hold(KIND, None, "me")
    near = run("release", "stock.adjustd", *STAGE)
    assert (near.code, "did you mean 'stock.adjusted'?" in near.err) == (2, True)
    assert [one.kind for one in store.list()] == [KIND]


def test_a_release_that_stops_says_how_to_go_on(queue: MemoryQueue, engine: Engine, run: Run) -> None:
    """The messages that were not sent stay parked, and the same command sends them."""
    bench, store = Bench(engine), store_of(engine)
    store.hold(PARKED, None, "me")
    assert bench([ThingMade(name=f"t{n}") for n in range(3)]) == []
    queue.refuse(calls=1)
    ended = run("release", PARKED, *STAGE)
    assert ended.code == 1
    assert "0 released; the rest is still parked: run this again to go on" in ended.err
    (row,) = run("hold", "--json", *STAGE).rows
    assert (row["state"], row["count"]) == ("releasing", 3)
    assert run("release", PARKED, "--rate", "1000", *STAGE).code == 0
    assert len(queue.messages) == 3


def test_the_day_of_the_oldest_payload(queue: MemoryQueue, engine: Engine, run: Run) -> None:
    """The list says from which day the oldest large intent is, whose payload the bucket deletes some day."""
    bench, store = Bench(engine), store_of(engine)
    store.hold(PARKED, None, "me")
    assert bench([ThingMade(name="a")]) == []
    assert replace(store.list()[0], payload_at=None) == store.list()[0]
    with engine.begin() as connection:
        connection.execute(text("UPDATE penstock.held SET payload_at = '2026-11-20'"))
    ended = run("hold", *STAGE)
    assert f"{PARKED}: the oldest large intent is of 2026-11-20." in ended.err
    assert ended.out.splitlines()[0].split("\t")[:3] == ["kind", "state", "count"]
