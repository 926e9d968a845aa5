"""`penstock explain`: the statements of a kind, their plans and hints, without a trace and without a value."""

import json
import os
import re
import signal
import subprocess
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Engine

from tests.support.cli_stack import PROGRAM, Run, Stack, id_of
from tests.support.dlq import UNREACHABLE_DATABASE, page_view_letter
from tests.support.explained import fingerprint
from tests.support.project import ROOT
from tests.support.schema_check import execute

SECRET = "/hunter2"


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, database_url: str, folder: Path) -> Path:
    """Work in an empty folder with the shop's modules and the database; no AWS is needed."""
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.setenv("PENSTOCK_DATABASE_URL", database_url)
    return folder


@pytest.fixture
def service(shop: Stack, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """The shop with its queues, and its modules on the import path."""
    monkeypatch.syspath_prepend(str(ROOT))
    return shop


def test_samples_are_explained(here: Path, run: Run, engine: Engine) -> None:
    """Without options a hundred samples are written and rolled back, and the plan is a tree of plain text."""
    before = fingerprint(engine)
    ended = run("explain", "stock.adjusted")
    assert ended.code == 0
    lines = ended.out.splitlines()
    assert lines[0] == "stock.adjusted"
    assert lines[1].startswith("100 intents, ")
    assert any(line.startswith("1. claim and write: stock, ") for line in lines)
    assert any("CTE penstock_inserted: Insert on public.stock" in line for line in lines)
    assert any("100 inserted, 0 in conflict" in line for line in lines)
    assert "\x1b" not in ended.out
    assert fingerprint(engine) == before


def test_the_plans_as_json(here: Path, run: Run) -> None:
    """With --json there is one object with the statements, their plans and the hints."""
    ended = run("explain", "order.status_changed", "--rows", "7", "--json")
    (row,) = ended.rows
    assert (row["kind"], row["intents"], row["analyzed"]) == ("order.status_changed", 7, True)
    assert [one["table"] for one in row["statements"]] == ["order_status_history", "orders"]
    plan = row["statements"][0]["plan"]
    assert plan["root"]["type"] == "Result"
    assert plan["root"]["total"]["ms"] > 0
    assert plan["spent"]
    assert row["hints"] == []


def test_nothing_is_executed(here: Path, run: Run) -> None:
    """With --no-analyze there is no time, and a function is not called."""
    ended = run("explain", "email.requested", "--no-analyze")
    assert ended.code == 0
    assert "planned, and not executed" in ended.out
    assert " ms" not in ended.out
    assert "The service's function was not called" in ended.out
    assert "note: " not in ended.err


def test_what_stays_is_named_before(here: Path, run: Run, engine: Engine) -> None:
    """Before statements are executed, triggers and functions that run are named on stderr."""
    execute(
        engine,
        "CREATE FUNCTION go() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        'CREATE TRIGGER "go\x1b[31m" BEFORE INSERT ON stock FOR EACH ROW EXECUTE FUNCTION go()',
    )
    ended = run("explain", "stock.adjusted")
    assert "note: the trigger 'go" in ended.err
    assert "\x1b" not in ended.err + ended.out


def test_a_file_is_explained_and_its_values_are_not_shown(here: Path, run: Run) -> None:
    """The intents of a file are written; no value is in the tree, in the JSON, on the page or in a message."""
    view = {"path": SECRET, "visitor": id_of(1), "referrer": SECRET, "viewed_at": "2026-11-20T10:00:00Z"}
    bad = view | {"duration_ms": 90_000_000}
    (here / "views.ndjson").write_text("\n".join(json.dumps(one) for one in (view, view, bad, view)))
    shown = ""
    for options in ((), ("--json",), ("--html", "page.html"), ("--no-analyze",)):
        ended = run("explain", "page.viewed", "--sample", "views.ndjson", *options)
        assert ended.code == 0
        shown += ended.out + ended.err
    shown += (here / "page.html").read_text()
    assert "1 of 4 intents would not be written: DataFault: CheckViolation" in shown
    assert "duration_within_a_day" in shown
    assert "hunter2" not in shown
    only = run("explain", "page.viewed", "--sample", "views.ndjson", "--rows", "2", "--json")
    assert only.rows[0]["intents"] == 2
    assert only.rows[0]["faults"] == {}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"sku": "hunter2"}', "line 1: delta missing"),
        ('{"sku": "a", "delta": 1}\nhunter2', "line 2: json_invalid"),
        ('{"sku": "hunter2\\u0000", "delta": 1}', "line 1: sku"),
        ("\n\n", "stock.ndjson has no intents"),
    ],
)
def test_a_line_that_is_no_intent_is_named(here: Path, run: Run, content: str, message: str) -> None:
    """A bad line is named by its number and its fields, and nothing is sent to Postgres."""
    (here / "stock.ndjson").write_text(content)
    ended = run("explain", "stock.adjusted", "--sample", "stock.ndjson")
    assert ended.code in {1, 2}
    assert message in ended.err
    assert ended.out == ""
    assert "hunter2" not in ended.err


def test_a_file_that_does_not_exist(here: Path, run: Run) -> None:
    """A missing file is wrong usage, and so is a page that cannot be written."""
    assert run("explain", "stock.adjusted", "--sample", "none.ndjson").code == 2
    ended = run("explain", "stock.adjusted", "--html", "none/page.html")
    assert (ended.code, "none/page.html cannot be written: FileNotFoundError" in ended.err) == (2, True)


def test_dead_letters_are_explained(service: Stack, run: Run, engine: Engine) -> None:
    """Dead letters of the kind are selected as by `penstock dlq`, written as the drain would, and stay."""
    views = [page_view_letter(n, path=SECRET) for n in range(1, 4)]
    service.dead.send([*views, page_view_letter(4, path=SECRET, duration_ms=2_000_000_000)])
    before = fingerprint(engine)
    one = run("explain", "page.viewed", "--dead-letter", id_of(2), "--json")
    assert (one.code, one.rows[0]["intents"], one.rows[0]["faults"]) == (0, 1, {})
    every = run("explain", "page.viewed", "--dead-letters", "--json")
    assert every.code == 0
    assert every.rows[0]["intents"] == 4
    assert [fault.split(",")[0] for fault in every.rows[0]["faults"]] == [
        "DataFault: CheckViolation: sqlstate 23514"
    ]
    some = run("explain", "page.viewed", "--where", "data.duration_ms == `2000000000`", "--json")
    assert (some.code, some.rows[0]["intents"]) == (1, 1)
    assert "hunter2" not in "".join(ended.out + ended.err for ended in (one, every, some))
    assert fingerprint(engine) == before
    assert service.dead.depth().visible == 4
    none = run("explain", "stock.adjusted", "--dead-letter", id_of(2))
    assert (none.code, f"no dead letter has the id {id_of(2)}" in none.err) == (1, True)


def test_there_is_one_source(here: Path, run: Run) -> None:
    """A file and dead letters at once are wrong usage."""
    ended = run("explain", "stock.adjusted", "--sample", "x", "--since", "2h")
    assert (ended.code, "give either --sample, or" in ended.err) == (2, True)


def test_a_kind_that_is_unknown(here: Path, run: Run) -> None:
    """A kind that the drain does not write is wrong usage; the error names similar kinds, or all."""
    similar = run("explain", "stock.adjustd")
    assert similar.code == 2
    assert "the drain writes no kind 'stock.adjustd': give one of stock.adjusted" in similar.err
    other = run("explain", "zzz")
    assert "page.viewed" in other.err
    assert "email.requested" in other.err


def test_a_table_that_is_missing_is_shown_as_by_check(here: Path, run: Run, engine: Engine) -> None:
    """If nothing can be written, the fault and what `penstock check` finds are on stderr; the exit code is 1."""
    execute(engine, "DROP TABLE stock")
    for options in ((), ("--no-analyze",)):
        ended = run("explain", "stock.adjusted", *options)
        assert ended.code == 1
        assert "fault: table 'stock': there is no such table" in ended.err
        assert "run `penstock db upgrade`" in ended.err


def test_what_takes_too_long_is_ended(here: Path, run: Run, engine: Engine) -> None:
    """If there is not enough time, no plan is shown, and the message says how to give more."""
    execute(
        engine,
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN PERFORM pg_sleep(0.2); RETURN NEW; END'",
        "CREATE TRIGGER slow BEFORE INSERT ON stock FOR EACH ROW EXECUTE FUNCTION slow()",
    )
    ended = run("explain", "stock.adjusted", "--timeout", "2", "--html", "page.html")
    assert (ended.code, ended.out) == (1, "")
    assert "100 of 100 intents would not be written: EnvironmentFault: " in ended.err
    assert "give more time with --timeout" in ended.err
    assert not (here / "page.html").exists()


def test_a_database_that_cannot_be_reached(here: Path, run: Run) -> None:
    """An unreachable database is an error without its password."""
    ended = run("explain", "stock.adjusted", "--database-url", UNREACHABLE_DATABASE)
    assert (ended.code, ended.out) == (1, "")
    assert "hunter2" not in ended.err


def test_a_narrow_terminal_has_no_bars(here: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal there are colours, and bars only where there is room for them."""
    assert "░" in run("explain", "stock.adjusted").out
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "50")
    screen = run("explain", "stock.adjusted").out
    assert "\x1b[" in screen
    assert "░" not in screen
    tree = [line for line in re.sub(r"\x1b\[[0-9;]*m", "", screen).splitlines() if "│" in line or "─" in line]
    assert len(tree) > 50
    assert max(map(len, tree)) <= 50


def test_an_interrupt_ends_it_without_a_trace(here: Path, engine: Engine, database_url: str) -> None:
    """Ctrl-C cancels the statement that runs, undoes everything, and exits with 130."""
    execute(
        engine,
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN PERFORM pg_sleep(100); RETURN NEW; END'",
        "CREATE TRIGGER slow BEFORE INSERT ON stock FOR EACH ROW EXECUTE FUNCTION slow()",
    )
    before = fingerprint(engine)
    command = [PROGRAM, "explain", "stock.adjusted", "--timeout", "300"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with (
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process,
        psycopg.connect(database_url, autocommit=True) as watching,
    ):
        asleep = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"
        while process.poll() is None and not watching.execute(asleep).fetchone():
            pass
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        assert process.returncode == 130
        assert watching.execute(asleep).fetchone() is None
    assert fingerprint(engine) == before
