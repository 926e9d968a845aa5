"""`penstock dlq replay --dry-run | --trial`: they print what a replay would do, and change nothing."""

import json
from pathlib import Path

import pytest
from sqlalchemy import Engine

from penstock.cli.dlq.previewed import print_previewed
from penstock.deadletters.replay.changes import changes
from penstock.deadletters.replay.preview import Previewed
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
    # A fingerprint is looked up on the queue, but not before the database has answered.
    words = ("--fingerprint", "9ebc", "--trial", "--database-url", UNREACHABLE_DATABASE)
    ended = run("dlq", "replay", *words)
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


PATCH = (
    '[{"op": "replace", "path": "/data/path", "value": "/home"},'
    ' {"op": "add", "path": "/data/referrer", "value": "me"}]'
)


def test_a_dry_run_shows_what_an_edit_changes(service: Stack, run: Run) -> None:
    """Below each message is what it loses and gets, redacted unless --reveal is given."""
    service.dead.send([page_view_letter(1)])
    words = ("dlq", "replay", "--all", "--dry-run", "--edit", PATCH)
    _, *lines = run(*words).out.splitlines()
    assert lines == ['  - data.path: "text of 1"', '  + data.path: "text of 5"', '  + data.referrer: "text of 2"']
    _, *lines = run(*words, "--reveal").out.splitlines()
    assert lines == ['  - data.path: "/"', '  + data.path: "/home"', '  + data.referrer: "me"']
    assert service.main.depth().total == 0


def test_a_dry_run_has_the_edit_as_a_json_patch(service: Stack, run: Run) -> None:
    """With --json each line has the patch, whose values are their shapes unless --reveal is given."""
    service.dead.send([page_view_letter(1)])
    words = ("dlq", "replay", "--all", "--trial", "--edit", PATCH, "--json")
    (row,) = run(*words, "--reveal").rows
    assert (row["would"], row["patch"]) == ("applied", json.loads(PATCH))
    (row,) = run(*words).rows
    assert [one.get("shape") for one in row["patch"]] == ["text of 5", "text of 2"]


def test_reveal_goes_with_an_edit_that_is_tried(folder: Path, run: Run) -> None:
    """In any other replay it is wrong usage."""
    assert run("dlq", "replay", "--all", "--dry-run", "--reveal").code == 2


def test_a_terminal_gets_the_changes_in_colour(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What an edit removes is red, and what it adds is green; a sender's control characters are escaped."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    changed = changes('{"data": {"a": "x"}}', '{"data": {"a": "\x9b31m"}}')
    one = Previewed("m", "i", "k", "replayed", None, changed)
    print_previewed(one, as_json=False, edited=True, reveal=True)
    _, removed, added = capsys.readouterr().out.splitlines()
    assert removed == '\x1b[31m  - data.a: "x"\x1b[0m'
    assert added == '\x1b[32m  + data.a: "\N{REPLACEMENT CHARACTER}31m"\x1b[0m'
