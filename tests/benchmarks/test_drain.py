"""The benchmark of the drain runs; its results are not asserted."""

import gc
import json
import os
import time
from pathlib import Path

import psycopg
import pytest

from benchmarks.drain import rounds
from benchmarks.drain.__main__ import main
from benchmarks.drain.events import Event
from benchmarks.drain.network import longer_trips
from benchmarks.drain.places import ONE_PROCESSOR, places
from benchmarks.drain.report import DISTURBED, SPEED_HEADING, USAGE_HEADING, DrainReport
from benchmarks.drain.rounds import Run, Timing, events_for, interleave, ratio, rounds_for
from benchmarks.figures import Figure, read_table
from penstock.local.postgres import Postgres

PEERS = ("powertools", "bulk", "copy")
CONTENDERS = ["penstock", *PEERS]
KEYED = ("upsert", "upsert of two kinds", "increment")
UNCLEAN = (
    "one record in a hundred delivered before",
    "every record delivered before",
    "one poison record",
    "ten poison records",
)
FULL = ("full ledger, ids by time", "full ledger, derived ids")
TRIP = "0.1 ms a trip"


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Count each round, and begin it with garbage: nobody reads the figures."""
    monkeypatch.setattr(rounds, "WARM_UP", 0)
    monkeypatch.setattr(gc, "collect", lambda: 0)


def test_one_command_measures_everything(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With tiny sizes, JSON and page have every figure of every place, and the output names the fsync setting."""
    path, page = tmp_path / "deep" / "bench.json", tmp_path / "figures.md"
    tiny = ["--rounds", "1", "--batch", "100", "--ledger-rows", "100", "--memory-records", "10"]
    main(["--sizes", "5", "--trips", "0.1", *tiny, "--no-fsync", "--json", str(path), "--markdown", str(page)])
    report, written = json.loads(path.read_text()), page.read_text()
    where = ["this machine", TRIP, *([] if ONE_PROCESSOR.missing else [ONE_PROCESSOR.name])]
    assert {place: {size: [*of] for size, of in sizes.items()} for place, sizes in report["race"].items()} == {
        place: {"5": CONTENDERS} for place in where
    }
    assert [*report["usage"]["5"]] == CONTENDERS
    assert all(usage["client"] > 0 and usage["wal"] > 0 for usage in report["usage"]["5"].values())
    assert [*report["alone"]] == ["clean", *KEYED, *UNCLEAN, *FULL]
    assert all(timing["body_bytes"] > 0 for timing in report["alone"].values())
    names = [figure["name"] for figure in report["figures"]]
    assert names[:-1] == [
        *(f"speed: penstock / {peer} at 5" for peer in PEERS),
        *(f"speed: penstock / {peer} at 5, {place}" for place in where[1:] for peer in PEERS),
        *(
            name
            for mode in KEYED
            for name in (f"time: {mode} / append at 100", f"bytes per record: {mode} / append")
        ),
        *(f"time: {scenario} / clean at 100" for scenario in [*UNCLEAN, *FULL]),
    ]
    *timed, memory = (figure["value"] for figure in report["figures"])
    assert all(value > 0 for value in timed)
    assert memory >= 0
    rows = [row for row in written.partition("\n## ")[0].splitlines() if row.startswith("| ")][2:]
    assert [row.split(" | ")[0] for row in rows] == [f"| {one}" for one in names]
    for place in where:
        assert read_table(written, SPEED_HEADING + place)[0] == ["records in an event", *CONTENDERS]
    assert [row[1] for row in read_table(written, USAGE_HEADING)[1:]] == CONTENDERS
    assert report["postgres"]["fsync"] == "off"
    assert "fsync off" in capsys.readouterr().out


@pytest.mark.parametrize(("load", "is_told"), [(0.1, False), (1000.0, True)])
def test_a_busy_machine_is_told(tmp_path: Path, load: float, is_told: bool) -> None:
    """The page says not to quote its figures if the machine had other work, and nothing of it otherwise."""
    page = tmp_path / "figures.md"
    DrainReport({}, 0, load=load).write_markdown(page)
    assert (DISTURBED in page.read_text()) is is_told


@pytest.mark.campaign
def test_slow_parts_can_be_skipped(tmp_path: Path) -> None:
    """With 0 ledger rows and 0 memory records, only their scenarios and figures are skipped."""
    path = tmp_path / "bench.json"
    tiny = ["--rounds", "1", "--batch", "100", "--ledger-rows", "0", "--memory-records", "0"]
    main(["--sizes", "5", "--trips", *tiny, "--no-fsync", "--json", str(path)])
    assert [*json.loads(path.read_text())["alone"]] == ["clean", *KEYED, *UNCLEAN]


def test_a_trip_takes_longer_through_the_proxy(postgres: Postgres) -> None:
    """Each answer of the server comes whole, and later by what is added to a trip."""
    with longer_trips(postgres.url(), 0.05) as url, psycopg.connect(url) as connection:
        start = time.monotonic()
        assert connection.execute("SELECT repeat('x', 1000000)").fetchone() == ("x" * 1_000_000,)
        assert time.monotonic() - start >= 0.05


@pytest.mark.skipif(bool(ONE_PROCESSOR.missing), reason=ONE_PROCESSOR.missing)
def test_client_and_server_share_one_processor(postgres: Postgres) -> None:
    """In that place this process and a new backend have the same single processor, and afterwards all again."""
    before = os.sched_getaffinity(0)
    with ONE_PROCESSOR.reach(postgres, postgres.url()) as url, psycopg.connect(url) as connection:
        backend = os.sched_getaffinity(connection.info.backend_pid)
        assert os.sched_getaffinity(0) == backend
        assert len(backend) == 1
    with psycopg.connect(postgres.url()) as connection:
        assert os.sched_getaffinity(connection.info.backend_pid) == os.sched_getaffinity(0) == before


def test_a_platform_without_affinity_leaves_that_place_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a process cannot be kept on a processor, the place says why it is missing; the others are not."""
    monkeypatch.delattr(os, "sched_setaffinity", raising=False)
    assert [bool(place.missing) for place in places([1, 10])] == [False, False, False, True]


def test_small_events_are_timed_often() -> None:
    """In a run of 15 rounds an event of one record is timed 600 times, one of 10,000 records five times."""
    assert [rounds_for(size, 15) * events_for(size) for size in (1, 10, 100, 1000, 10_000)] == [
        600,
        600,
        60,
        15,
        5,
    ]


def test_each_event_of_a_turn_is_timed_alone() -> None:
    """A turn of two events has two times in each round."""

    class Turn:
        @property
        def event(self) -> Event:
            return {"Records": [{"body": "x"}]}

        def prepare(self) -> list[Run]:
            return [lambda: None, lambda: None]

        def check(self) -> None:
            pass

    assert len(interleave({"one": Turn()}, rounds=3)["one"].seconds) == 6


def test_a_ratio_compares_times_of_the_same_moment() -> None:
    """A ratio is that of neighbours: a load that slows down some rounds for everybody does not change it."""
    calm_then_busy = Timing(1, 1, (1, 1, 10, 10, 10))
    assert ratio(Timing(1, 1, (2, 2, 20, 20, 20)), calm_then_busy) == 2
    assert ratio(Timing(1, 1, (3, 3, 30, 5, 5)), calm_then_busy) == 3


def test_a_figure_knows_its_target() -> None:
    """A figure reports whether it reached its target; without a target it reports None."""
    assert Figure("speed", 1.7, at_least=1.7).reached
    assert not Figure("time", 3.1, at_most=3).reached
    assert Figure("speed", 1.0).reached is None
    assert Figure("memory", 1, unit="MiB", at_most=150).target == "<= 150 MiB"
