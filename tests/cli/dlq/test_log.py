"""`penstock dlq log`: what was done with dead letters."""

import json
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.support.cli_stack import Run, Stack, letter
from tests.support.dlq import EMAIL, KIND, UNREACHABLE_DATABASE, operation_records, page_view_letter

WHERE = f"data.email == '{EMAIL}'"


def test_the_log_lists_what_was_done(shop: Stack, run: Run) -> None:
    """The newest operation is first, with who, when, which ones, how many and how it ended."""
    shop.dead.send([letter(1), letter(2)])
    run("dlq", "replay", *KIND, "--limit", "1")
    run("dlq", "purge", "--all", "--yes", "--backup", "b.jsonl")
    run("dlq", "import", "b.jsonl")
    rows = run("dlq", "log", "--json").rows
    assert [row["action"] for row in rows] == ["import", "purge", "replay"]
    assert [row["outcome"] for row in rows] == ["done"] * 3
    assert [row["counts"] for row in rows] == [
        {"imported": 1, "failed": 0},
        {"deleted": 1, "not deleted": 0},
        {"replayed": 1},
    ]
    assert [row["selection"] for row in rows][::2] == [
        {"file": "b.jsonl", "from_line": 1},
        {"kinds": ["email.requested"], "limit": 1},
    ]
    header, *lines = run("dlq", "log", "--limit", "2").out.splitlines()
    assert header.split("\t")[:4] == ["id", "begun_at", "took", "action"]
    assert [line.split("\t")[3:] for line in lines][1][0] == "purge"
    assert lines[1].endswith("1 deleted\tall, backup b.jsonl")


def test_one_operation_is_shown_whole(shop: Stack, run: Run, engine: Engine) -> None:
    """The list has no value of an intent; the whole record has, and is found by the beginning of its id."""
    shop.dead.send([letter(1)])
    run("dlq", "replay", "--where", WHERE)
    (record,) = operation_records(engine)
    (row,) = run("dlq", "log", "--json").rows
    assert row["selection"] == {"where": f"text of {len(WHERE)}"}
    (whole,) = run("dlq", "log", str(record["id"])[:8].upper(), "--json").rows
    assert (whole["id"], whole["selection"]) == (str(record["id"]), {"where": WHERE})
    assert f"selection\twhere {WHERE}" in run("dlq", "log", str(record["id"])).out


@pytest.mark.parametrize(("id_", "code", "says"), [("0199", 1, "no operation"), ("", 2, "several operations")])
def test_an_id_that_names_no_single_operation(shop: Stack, run: Run, id_: str, code: int, says: str) -> None:
    """It is an error that says whether there are none or several."""
    for _ in range(2):
        run("dlq", "replay", *KIND)
    ended = run("dlq", "log", id_)
    assert (ended.code, ended.out) == (code, "")
    assert says in ended.err


def test_an_operation_without_an_end_is_running_or_killed(shop: Stack, run: Run, engine: Engine) -> None:
    """The log says so instead of an outcome."""
    assert "no operations on record" in run("dlq", "log").err
    run("dlq", "replay", *KIND)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE penstock.operation SET ended_at = NULL, outcome = NULL, counts = NULL")
    assert "\t-\treplay\t" in run("dlq", "log").out
    assert "running or killed" in run("dlq", "log").out


def test_an_edit_is_on_record(service: Stack, run: Run, engine: Engine) -> None:
    """The record of a replay has the text of its edit, also if it came from a file."""
    service.dead.send([page_view_letter(1)])
    patch = [{"op": "replace", "path": "/data/path", "value": "/home"}]
    Path("edit.json").write_text(json.dumps(patch))
    assert run("dlq", "replay", "--all", "--yes", "--edit", "@edit.json").code == 0
    (record,) = operation_records(engine)
    assert json.loads(record["selection"]["edit"]) == patch


def test_an_import_that_cannot_be_recorded_does_nothing(shop: Stack, run: Run) -> None:
    """It exits with 1 and names --no-record, with which it imports."""
    shop.dead.send([letter(1)])
    run("dlq", "export", "x.jsonl")
    words = ("dlq", "import", "x.jsonl", "--database-url", UNREACHABLE_DATABASE)
    ended = run(*words)
    assert (ended.code, shop.dead.depth().total) == (1, 1)
    assert "--no-record" in ended.err
    assert (run(*words, "--no-record").code, shop.dead.depth().total) == (0, 2)


def test_a_log_without_its_database_fails(shop: Stack, run: Run) -> None:
    """It exits with 1, and the error has no password."""
    ended = run("dlq", "log", "--database-url", UNREACHABLE_DATABASE)
    assert (ended.code, ended.out) == (1, "")
    assert "hunter2" not in ended.err
