"""The records of replay and purge, also after an error, an interruption or a kill."""

import os
import signal
import subprocess
from collections.abc import Sequence

import pytest
from sqlalchemy import Engine

from tests.support.cli_stack import PROGRAM, Run, Stack, id_of, letter
from tests.support.dlq import EMAIL, FOREIGN, KIND, UNREACHABLE_DATABASE, operation_records

COMMANDS = [["replay", "--all"], ["purge", "--all"]]


@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_is_done_without_a_record(shop: Stack, run: Run, command: list[str]) -> None:
    """An operation that cannot be recorded exits with 1, changes nothing, and names --no-record as the way out."""
    shop.dead.send([letter(1)])
    ended = run("dlq", *command, "--yes", "--database-url", UNREACHABLE_DATABASE)
    assert (ended.code, ended.out) == (1, "")
    assert "Nothing was done" in ended.err
    assert "--no-record" in ended.err
    assert "hunter2" not in ended.err
    assert shop.dead.depth().visible == 1
    ended = run("dlq", *command, "--yes", "--database-url", UNREACHABLE_DATABASE, "--no-record")
    assert (ended.code, shop.dead.depth().total) == (0, 0)
    assert "(no record, by " in ended.err


@pytest.mark.parametrize("debug", [(), ("--debug",)])
def test_the_error_of_a_refused_record_has_no_values(
    shop: Stack, run: Run, engine: Engine, debug: tuple[str, ...]
) -> None:
    """The error of a database without the table has one line, without the selection, which can hold values."""
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE penstock.operation")
    shop.dead.send([letter(1)])
    ended = run("dlq", "purge", "--yes", "--where", f"data.email == '{EMAIL}'", *debug)
    assert (ended.code, ended.out) == (1, "")
    assert 'relation "penstock.operation" does not exist\nNothing was done' in ended.err
    assert EMAIL not in ended.err
    assert shop.dead.depth().visible == 1


@pytest.mark.parametrize("command", COMMANDS)
def test_a_record_that_cannot_be_finished_is_a_warning(
    shop: Stack, run: Run, engine: Engine, caplog: pytest.LogCaptureFixture, command: list[str]
) -> None:
    """The exit code is 0, and a warning names the operation."""
    shop.dead.send([FOREIGN])
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE FUNCTION penstock.away() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'away'; END $$;"
            "CREATE TRIGGER away BEFORE UPDATE ON penstock.operation EXECUTE FUNCTION penstock.away()"
        )
    ended = run("dlq", *command, "--yes")
    assert (ended.code, shop.dead.depth().total) == (0, 0)
    assert str(operation_records(engine)[0]["id"]) in caplog.text
    assert operation_records(engine)[0]["ended_at"] is None


@pytest.mark.parametrize(
    ("command", "signal_in_a_run"),
    [
        (["list"], signal.SIGINT),
        (["list"], signal.SIGTERM),
        (["stats"], signal.SIGTERM),
        (["show", id_of(99)], signal.SIGTERM),
        (["export", "x"], signal.SIGTERM),
        (["replay", "--all", "--yes"], signal.SIGINT),
        (["replay", "--all", "--yes"], signal.SIGTERM),
        (["replay", *KIND, "--dry-run"], signal.SIGTERM),
        (["purge", "--all", "--yes", "--backup", "x"], signal.SIGTERM),
    ],
    indirect=["signal_in_a_run"],
)
def test_a_signal_ends_a_run_in_order(
    shop: Stack, run: Run, engine: Engine, signal_in_a_run: int, command: Sequence[str]
) -> None:
    """Ctrl-C and SIGTERM print the counts so far, give back the leases, and record an operation as interrupted."""
    shop.dead.send([letter(number) for number in range(40)])
    ended = run("dlq", *command)
    assert ended.code == 128 + signal_in_a_run
    assert shop.dead.depth().in_flight == 0
    changes = command[0] == "purge" or "--yes" in command
    if changes:
        assert "stopped; so far: 10 " in ended.err
        assert [record["outcome"] for record in operation_records(engine)] == ["interrupted"]
    if "x" in command:
        assert "x.part" in ended.err
    assert shop.dead.depth().total == (30 if changes else 40)


def test_a_killed_replay_has_a_record_without_an_end(shop: Stack, engine: Engine) -> None:
    """The record of a killed operation has no end, and the dead letters that it did not send are still there."""
    shop.dead.send([letter(number) for number in range(12)])
    words = [PROGRAM, "dlq", "replay", "--all", "--yes", "--rate", "1"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout
        assert process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)
    (record,) = operation_records(engine)
    assert (record["ended_at"], record["outcome"]) == (None, None)
    assert shop.dead.depth().total + shop.main.depth().total >= 12
