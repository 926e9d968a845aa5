"""`penstock dlq replay --dry-run | --trial`: they print what a replay would do, and change nothing."""

import pytest
from sqlalchemy import Engine

from tests.support.cli_stack import Run, Stack, id_of, letter
from tests.support.dlq import UNREACHABLE_DATABASE, operation_records, page_view_letter


def test_a_dry_run_sends_nothing(shop: Stack, run: Run, engine: Engine) -> None:
    """A dry run prints what would be sent, and moves, records and asks nothing."""
    shop.dead.send([letter(1), letter(2)])
    ended = run("dlq", "replay", "--all", "--dry-run", "--json")
    assert (ended.code, [row["would"] for row in ended.rows]) == (0, ["replayed", "replayed"])
    assert "would be: 2 replayed" in ended.err
    assert "Nothing was sent." in ended.err
    assert (shop.dead.depth().visible, shop.main.depth().total, operation_records(engine)) == (2, 0, [])


def test_a_trial_writes_and_rolls_back(service: Stack, run: Run, engine: Engine) -> None:
    """A trial prints what each intent would be, exits with 1 for a dead one, and leaves no row."""
    service.dead.send([page_view_letter(1), page_view_letter(2, duration_ms=2_000_000_000)])
    ended = run("dlq", "replay", "--all", "--trial", "--json")
    assert ended.code == 1
    assert {row["id"]: row["would"] for row in ended.rows} == {id_of(1): "applied", id_of(2): "dead"}
    assert "duration_within_a_day" in ended.out
    with engine.connect() as connection:
        counted = "SELECT (SELECT count(*) FROM page_views) + (SELECT count(*) FROM penstock.ledger)"
        assert connection.exec_driver_sql(counted).scalar() == 0
    assert (service.dead.depth().visible, service.main.depth().total) == (2, 0)
    assert run("dlq", "replay", "--id", id_of(1), "--trial").code == 0


def test_a_trial_without_its_database_fails(service: Stack, run: Run) -> None:
    """A trial on an unreachable database exits with 1, says so in one line, and leases nothing."""
    service.dead.send([page_view_letter(1)])
    ended = run("dlq", "replay", "--all", "--trial", "--database-url", UNREACHABLE_DATABASE)
    assert (ended.code, ended.out) == (1, "")
    assert "a trial writes to the database and rolls back, but cannot connect: connection" in ended.err
    assert "Nothing was leased or sent. Check the database" in ended.err
    assert "hunter2" not in ended.err
    assert [message.receive_count for message in service.dead.receive(1)] == [1]


def test_a_trial_that_loses_its_database_stops(service: Stack, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the cause in one line, nothing was sent, and the leases are given back."""
    monkeypatch.setattr("penstock.cli.dlq.dry_run.require_database", lambda _: None)
    service.dead.send([page_view_letter(1)])
    ended = run("dlq", "replay", "--all", "--trial", "--database-url", UNREACHABLE_DATABASE)
    assert (ended.code, ended.out) == (1, "")
    assert "the trial stopped: " in ended.err
    assert "Nothing was sent." in ended.err
    assert (service.dead.depth().visible, service.main.depth().total) == (1, 0)
