"""`penstock dlq`: what each command prints where, what it changes, what it records, and how it ends."""

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from penstock.deadletters.archive.file import read_archive
from penstock.deadletters.replay.canary import Canary
from penstock.deadletters.replay_marker import ReplayMarker
from penstock.queue import Attribute, Outgoing, SqsQueue
from tests.support.cli_stack import PROGRAM, Run, Stack, id_of, letter
from tests.support.ledgers import Ledger
from tests.support.project import ROOT
from tests.support.terminals import Terminal

AWAY = "postgresql://u:hunter2@127.0.0.1:1/x"
EMAIL = "someone@example.org"
KIND = ("--kind", "email.requested")


@pytest.fixture
def ledger(engine: Engine) -> Ledger:
    """The ledger of the shop."""
    return Ledger(engine)


def records(engine: Engine) -> list[dict[str, Any]]:
    """Read the records of operations, the oldest first."""
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT * FROM penstock.operation ORDER BY begun_at").mappings()
        return [dict(row) for row in rows]


def moved(number: int) -> Outgoing:
    """Write a message that SQS moved by itself."""
    return Outgoing(json.dumps({"specversion": "1.0", "id": id_of(number), "type": "order.placed", "data": {}}))


FOREIGN = Outgoing("hello", {"colour": Attribute(b"\x00\xff", "Binary.blob")})


# Which are meant


SELECTORS = [
    (["--id", id_of(1)], {1}),
    (["--id", id_of(1), "--id", id_of(2)], {1, 2}),
    (["--kind", "order.placed"], {2}),
    (["--fault", "DataFault"], {1, 3}),
    (["--fault", "NotNullViolation", "--fault", "sqs"], {1, 2, 3}),
    (["--sqlstate", "23502", "--kind", "email.requested"], {1, 3}),
    (["--where", "data.email == 'someone@example.org'"], {1, 3}),
    (["--since", "1h"], {1, 2, 3}),
    (["--until", "1h"], set[int]()),
    (["--until", "2001-01-01T00:00:00Z"], set[int]()),
]


def test_every_selector_selects(shop: Stack, run: Run) -> None:
    """What is listed is what is meant, and a purge of it deletes that and nothing else."""
    shop.dead.send([letter(1), moved(2), letter(3)])
    for words, expected in SELECTORS:
        assert {row["id"] for row in run("dlq", "list", "--json", *words).rows} == {id_of(n) for n in expected}
    ended = run("dlq", "purge", "--yes", "--no-backup", "--json", *SELECTORS[-1][0], "--where", "data.email")
    assert (ended.code, ended.out, shop.dead.depth().visible) == (0, "", 3)
    ended = run("dlq", "purge", "--yes", "--no-backup", "--json", "--kind", "order.placed")
    assert (ended.code, [row["id"] for row in ended.rows], shop.dead.depth().visible) == (0, [id_of(2)], 2)


NONSENSE = [
    ["--id", ""],
    ["--kind", ""],
    ["--fingerprint", ""],
    ["--where", ""],
    ["--where", "data.["],
    ["--where", "nosuch(@)"],
    ["--since", "yesterday"],
    ["--since", ""],
    ["--since", "1h", "--until", "2h"],
    ["--nosuch"],
]


@pytest.mark.parametrize("command", [["replay"], ["purge", "--yes"], ["export", "x"], ["list"], ["stats"]])
@pytest.mark.parametrize("words", NONSENSE)
def test_what_does_not_parse_acts_on_nothing(folder: Path, run: Run, command: list[str], words: list[str]) -> None:
    """Exit code 2, before anything is looked up or written."""
    ended = run("dlq", *command, *words)
    assert (ended.code, ended.out) == (2, "")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("command", ["replay", "purge"])
@pytest.mark.parametrize("words", [[], ["--all", *KIND]])
def test_an_operation_has_to_be_told_what(folder: Path, run: Run, command: str, words: list[str]) -> None:
    """Neither a selector nor --all, or both, is wrong usage."""
    ended = run("dlq", command, "--yes", *words)
    assert (ended.code, ended.out) == (2, "")
    assert "either --all, or --id" in ended.err


@pytest.mark.parametrize("command", [["replay"], ["purge", "--yes"], ["replay", "--dry-run"]])
def test_what_matches_nothing_acts_on_nothing(shop: Stack, run: Run, command: list[str]) -> None:
    """A selector of nobody leaves the queue as it was, and makes no file."""
    shop.dead.send([letter(1)])
    before = sorted(shop.folder.iterdir())
    ended = run("dlq", *command, "--kind", "nosuch")
    assert (ended.code, ended.out) == (0, "")
    assert (shop.dead.depth().visible, shop.main.depth().total) == (1, 0)
    assert sorted(shop.folder.iterdir()) == before


@pytest.mark.parametrize("command", [["list"], ["stats"], ["replay"], ["replay", "--dry-run"], ["purge", "--yes"]])
def test_a_condition_that_fails_is_told(shop: Stack, run: Run, command: list[str]) -> None:
    """How many messages --where could not be evaluated on is said; none of them is meant."""
    shop.dead.send([letter(1), Outgoing("hello"), moved(2)])
    ended = run("dlq", *command, "--where", "contains(data.email, 'nobody')")
    assert (ended.code, ended.out.count(id_of(1))) == (0, 0)
    assert "--where could not be evaluated on 2" in ended.err
    assert shop.dead.depth().visible == 3


MISSING = [["replay"], ["replay", "--dry-run"], ["export", "x.jsonl"], ["purge", "--yes"]]


@pytest.mark.parametrize("command", MISSING)
def test_an_id_that_is_not_there_is_named(shop: Stack, run: Run, command: list[str]) -> None:
    """Exit code 1, and the others are done."""
    shop.dead.send([letter(1)])
    ended = run("dlq", *command, "--id", id_of(1), "--id", id_of(9))
    assert ended.code == 1
    assert f"no dead letter has the id {id_of(9)}" in ended.err
    assert id_of(1) not in ended.err


# Looking


def test_stats_count_by_cause(shop: Stack, run: Run) -> None:
    """One line per cause, the largest first, with the time until the oldest expires; as JSON too."""
    shop.dead.send([letter(1), moved(2), letter(3)])
    ended = run("dlq", "stats")
    header, first, second = (line.split("\t") for line in ended.out.splitlines())
    assert ended.code == 0
    row = dict(zip(header, first, strict=True))
    assert (row["count"], row["kind"], row["fault"]) == ("2", "email.requested", "NotNullViolation")
    assert second[:3] == ["1", "order.placed", "sqs"]
    assert "3 dead letters; the oldest expires in 13d" in ended.err
    assert [row["count"] for row in run("dlq", "stats", "--json", "--by", "age").rows] == [3]
    assert shop.dead.depth().visible == 3


def test_stats_can_check(shop: Stack, run: Run) -> None:
    """--check ends with 10 if there are any of those meant, and with 0 if there are none."""
    assert run("dlq", "stats", "--check").code == 0
    shop.dead.send([letter(1)])
    assert run("dlq", "stats", "--check", "--json").code == 10
    assert run("dlq", "stats", "--check", "--kind", "nosuch").code == 0


@pytest.mark.parametrize("by", ["", "nosuch", "kind,"])
def test_stats_know_what_to_count_by(folder: Path, run: Run, by: str) -> None:
    """Another word is wrong usage, and the right ones are told."""
    ended = run("dlq", "stats", "--by", by)
    assert (ended.code, ended.out) == (2, "")
    assert "kind, fault, fingerprint, age" in ended.err


def test_show_tells_all_but_the_payload(shop: Stack, run: Run) -> None:
    """The letter, the attributes' names and the payload's shape; each copy; the payload itself on request."""
    shop.dead.send([letter(1), letter(1), letter(2)])
    for words in ((), ("--json",)):
        ended = run("dlq", "show", id_of(1).upper(), *words)
        assert (ended.code, ended.out.count(id_of(1)) >= 2, id_of(2) in ended.out) == (0, True, False)
        assert EMAIL not in ended.out + ended.err
        assert "text of 19" in ended.out
        assert EMAIL in run("dlq", "show", id_of(1), "--reveal", *words).out
    row, _ = run("dlq", "show", id_of(1), "--json").rows
    assert (row["table"], row["column"]) == ("emails", "subject")
    assert row["attributes"] == ["penstock.dead-letter", "penstock.fault", "type"]
    assert shop.dead.depth().visible == 3


def test_show_of_nobody_fails(shop: Stack, run: Run) -> None:
    """An id that is not there ends with 1, a blank one is wrong usage."""
    ended = run("dlq", "show", id_of(9))
    assert (ended.code, ended.out) == (1, "")
    assert run("dlq", "show", " ").code == 2


# Before a replay


def test_a_dry_run_sends_nothing(shop: Stack, run: Run, engine: Engine) -> None:
    """What would be sent is printed, nothing moves, nothing is recorded and nobody is asked."""
    shop.dead.send([letter(1), letter(2)])
    ended = run("dlq", "replay", "--all", "--dry-run", "--json")
    assert (ended.code, [row["would"] for row in ended.rows]) == (0, ["replayed", "replayed"])
    assert "would be: 2 replayed" in ended.err
    assert "Nothing was sent." in ended.err
    assert (shop.dead.depth().visible, shop.main.depth().total, records(engine)) == (2, 0, [])


def view(number: int, **data: Any) -> Outgoing:
    """Write the dead letter of a page view, as the shop emits it."""
    known = {"path": "/", "visitor": id_of(1), "viewed_at": "2026-11-20T10:00:00Z"}
    head = {"specversion": "1.0", "id": id_of(number), "source": "/shop", "type": "page.viewed"}
    return Outgoing(json.dumps(head | {"time": "2026-11-20T10:00:00Z", "data": known | data}))


@pytest.fixture
def service(shop: Stack, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """The shop, whose modules are found."""
    monkeypatch.syspath_prepend(str(ROOT))
    return shop


def test_a_trial_asks_the_database(service: Stack, run: Run, engine: Engine) -> None:
    """It tells what would land and what would die again, ends with 1 if any would, and leaves nothing behind."""
    service.dead.send([view(1), view(2, duration_ms=2_000_000_000)])
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
    """Exit code 1, and no password is told."""
    service.dead.send([view(1)])
    ended = run("dlq", "replay", "--all", "--trial", "--database-url", AWAY)
    assert (ended.code, ended.out) == (1, "")
    assert "hunter2" not in ended.err


def test_an_edit_mends_on_the_way(service: Stack, run: Run) -> None:
    """A trial shows that it helps, a replay sends what was edited, and what the service would refuse stays."""
    service.dead.send([view(1, duration_ms=2_000_000_000), view(2, colour="blue")])
    patch = '[{"op": "replace", "path": "/data/duration_ms", "value": 5}]'
    (service.folder / "patch.json").write_text(patch)
    tried = run("dlq", "replay", "--all", "--trial", "--edit", patch, "--json")
    assert sorted(row["would"] for row in tried.rows) == ["applied", "not-sent"]
    ended = run("dlq", "replay", "--all", "--yes", "--edit", "@patch.json", "--json")
    assert (ended.code, sorted(row["outcome"] for row in ended.rows)) == (1, ["not-sent", "replayed"])
    (sent,) = service.main.receive(10)
    assert json.loads(sent.body)["data"]["duration_ms"] == 5
    assert service.dead.depth().visible == 1


@pytest.mark.parametrize("words", [["--edit", "[{"], ["--edit", "data.["], ["--drain", "nosuch:drain", "--trial"]])
def test_an_edit_that_cannot_be_is_wrong_usage(service: Stack, run: Run, words: list[str]) -> None:
    """Exit code 2, and nothing is sent."""
    service.dead.send([view(1)])
    ended = run("dlq", "replay", "--all", "--yes", *words)
    assert (ended.code, ended.out) == (2, "")
    assert service.main.depth().total == 0


# Replaying


def test_a_replay_says_once_what_it_did(shop: Stack, run: Run, engine: Engine) -> None:
    """One line on stderr counts, names the operation and who it was; the record has the same."""
    shop.dead.send([letter(1), letter(2)])
    ended = run("dlq", "replay", *KIND, "--limit", "1", "--rate", "50")
    (record,) = records(engine)
    assert ended.err.count("1 replayed") == 1
    assert f"(operation {record['id']}, by {record['actor']})" in ended.err
    assert (record["action"], record["outcome"], record["counts"]) == ("replay", "done", {"replayed": 1})
    assert record["selection"] == {"kinds": ["email.requested"], "limit": 1, "rate": 50.0}
    assert shop.dead.depth().visible == 1


@pytest.mark.parametrize(
    "words", [["--rate", "0"], ["--rate", "nan"], ["--rate", "inf"], ["--canary-seconds", "nan"]]
)
def test_a_number_that_is_none_is_wrong_usage(folder: Path, run: Run, words: list[str]) -> None:
    """Exit code 2, before anything is recorded."""
    assert run("dlq", "replay", "--all", "--yes", *words).code == 2


def test_the_loop_guard_leaves(shop: Stack, run: Run) -> None:
    """With --max-replays what was replayed as often is left, which is told and is no failure."""
    shop.dead.send([ReplayMarker(2, "a run").attach_to(letter(1)), letter(2)])
    words = ("dlq", "replay", "--all", "--yes", "--max-replays", "2", "--json")
    tried = run(*words, "--dry-run")
    assert (tried.code, {row["id"]: row["would"] for row in tried.rows}[id_of(1)]) == (0, "left")
    ended = run(*words)
    assert (ended.code, {row["id"]: row["code"] for row in ended.rows}[id_of(1)]) == (0, "ReplayedTooOften")
    assert "1 left" in ended.err
    assert (shop.dead.depth().visible, shop.main.depth().total) == (1, 1)


def test_another_queue_may_be_named(shop: Stack, run: Run) -> None:
    """By its name or its URL; one that there is not, or the dead-letter queue itself, is wrong usage."""
    shop.dead.send([letter(1), letter(2)])
    name = shop.main.url.rsplit("/", 1)[-1]
    assert run("dlq", "replay", "--id", id_of(1), "--to", name).code == 0
    assert run("dlq", "replay", "--id", id_of(2), "--to", shop.main.url).code == 0
    assert shop.main.depth().total == 2
    shop.dead.send([letter(3)])
    for to in ("nosuch", shop.dead.url, shop.dead.url.rsplit("/", 1)[-1]):
        ended = run("dlq", "replay", "--all", "--yes", "--to", to)
        assert (ended.code, ended.out) == (2, "")
        assert "--to" in ended.err
    assert shop.dead.depth().visible == 1


class Fate:
    """What the drain makes of canaries, in place of a drain."""

    def __init__(self, ledger: Ledger, queue: SqsQueue, outcome: str) -> None:
        self._ledger, self._queue, self._outcome = ledger, queue, outcome

    def settle(self, _: float) -> None:
        """Settle what is on the queue."""
        for message in self._queue.receive(10, visibility_seconds=3600):
            self._ledger.enter(self._outcome, id=json.loads(message.body)["id"], ago=-1)


@pytest.fixture
def fate(shop: Stack, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Give what decides of canaries."""

    def decide(outcome: str) -> None:
        settle = Fate(ledger, shop.main, outcome).settle
        monkeypatch.setattr("penstock.cli.dlq.replay.Canary", lambda engine: Canary(engine, sleep=settle))

    return decide


@pytest.mark.parametrize("more", [["--all", "--yes"], ["--id", id_of(1), "--id", id_of(2), "--id", id_of(3)]])
def test_a_canary_that_is_well_lets_the_rest_go(
    shop: Stack, run: Run, engine: Engine, fate: Callable[[str], None], more: list[str]
) -> None:
    """All are counted at the end, the canary included, and none of the canary is missing afterwards."""
    fate("applied")
    shop.dead.send([letter(1), letter(2), letter(3)])
    ended = run("dlq", "replay", "--canary", "2", "--json", *more)
    assert (ended.code, len(ended.rows)) == (0, 3)
    assert "canary: 2 applied" in ended.err
    assert "3 replayed (operation" in ended.err
    assert records(engine)[0]["counts"] == {"replayed": 3}
    assert shop.dead.depth().total == 0


@pytest.mark.parametrize(("limit", "sent"), [("2", 2), ("1", 1), ("3", 3)])
def test_a_limit_counts_the_canary(
    shop: Stack, run: Run, fate: Callable[[str], None], limit: str, sent: int
) -> None:
    """No more than asked for are sent in all."""
    fate("applied")
    shop.dead.send([letter(number) for number in range(5)])
    ended = run("dlq", "replay", *KIND, "--canary", "2", "--limit", limit)
    assert (ended.code, len(ended.out.splitlines())) == (0, sent)
    assert "There are no dead letters" not in ended.err
    assert shop.dead.depth().visible == 5 - sent


def test_a_canary_that_dies_stops_the_rest(
    shop: Stack, run: Run, engine: Engine, fate: Callable[[str], None]
) -> None:
    """Exit code 1: nothing else was sent, the way out is told, and the record says that it failed."""
    fate("dead")
    shop.dead.send([letter(number) for number in range(5)])
    ended = run("dlq", "replay", "--all", "--yes", "--canary", "2")
    assert ended.code == 1
    assert "the canary is not well: 2 dead; nothing else was sent" in ended.err
    assert (shop.dead.depth().visible, shop.main.depth().total) == (3, 2)
    assert (records(engine)[0]["outcome"], records(engine)[0]["counts"]) == ("failed", {"replayed": 2})


def test_a_canary_is_waited_for_so_long(shop: Stack, run: Run) -> None:
    """What is pending after --canary-seconds is not well."""
    shop.dead.send([letter(1), letter(2)])
    ended = run("dlq", "replay", "--all", "--yes", "--canary", "1", "--canary-seconds", "1")
    assert ended.code == 1
    assert "1 pending" in ended.err


def test_a_canary_without_an_id_is_not_well(shop: Stack, run: Run) -> None:
    """The ledger cannot be asked after another program's message."""
    shop.dead.send([FOREIGN])
    ended = run("dlq", "replay", "--all", "--yes", "--canary", "1")
    assert ended.code == 1
    assert "1 without an id to ask the ledger by" in ended.err


def test_a_canary_needs_the_ledger(shop: Stack, run: Run, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes with no --no-record; where the ledger goes away meanwhile nothing else is sent."""
    shop.dead.send([letter(1), letter(2)])
    assert run("dlq", "replay", "--all", "--yes", "--canary", "1", "--no-record").code == 2

    def go_away(_: float) -> None:
        with engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE penstock.ledger RENAME TO ledger_away")

    monkeypatch.setattr("penstock.cli.dlq.replay.Canary", lambda engine: Canary(engine, sleep=go_away))
    ended = run("dlq", "replay", "--all", "--yes", "--canary", "1")
    assert ended.code == 1
    assert "the ledger cannot be asked after the canary" in ended.err
    assert "Nothing else was sent" in ended.err
    assert shop.main.depth().total == 1


# Records


COMMANDS = [["replay", "--all"], ["purge", "--all"]]


@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_is_done_without_a_record(shop: Stack, run: Run, command: list[str]) -> None:
    """Where the database is away, or has no such table, exit code 1 and --no-record as the way out."""
    shop.dead.send([letter(1)])
    ended = run("dlq", *command, "--yes", "--database-url", AWAY)
    assert (ended.code, ended.out) == (1, "")
    assert "Nothing was done" in ended.err
    assert "--no-record" in ended.err
    assert "hunter2" not in ended.err
    assert shop.dead.depth().visible == 1
    ended = run("dlq", *command, "--yes", "--database-url", AWAY, "--no-record")
    assert (ended.code, shop.dead.depth().total) == (0, 0)
    assert "(no record, by " in ended.err


@pytest.mark.parametrize("debug", [(), ("--debug",)])
def test_a_record_that_is_refused_quotes_nothing(
    shop: Stack, run: Run, engine: Engine, debug: tuple[str, ...]
) -> None:
    """A database without the table is told in a line, and the selection, which may hold values, is not."""
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE penstock.operation")
    shop.dead.send([letter(1)])
    ended = run("dlq", "purge", "--yes", "--where", f"data.email == '{EMAIL}'", *debug)
    assert (ended.code, ended.out) == (1, "")
    assert 'relation "penstock.operation" does not exist\nNothing was done' in ended.err
    assert EMAIL not in ended.err
    assert shop.dead.depth().visible == 1


@pytest.mark.parametrize("command", COMMANDS)
def test_an_end_without_the_database_is_a_warning(
    shop: Stack, run: Run, engine: Engine, caplog: pytest.LogCaptureFixture, command: list[str]
) -> None:
    """What was done is done: exit code 0, and the warning names the operation."""
    shop.dead.send([FOREIGN])
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE FUNCTION penstock.away() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'away'; END $$;"
            "CREATE TRIGGER away BEFORE UPDATE ON penstock.operation EXECUTE FUNCTION penstock.away()"
        )
    ended = run("dlq", *command, "--yes")
    assert (ended.code, shop.dead.depth().total) == (0, 0)
    assert str(records(engine)[0]["id"]) in caplog.text
    assert records(engine)[0]["ended_at"] is None


# Files


@pytest.mark.parametrize("name", ["x.jsonl", "x.jsonl.gz"])
def test_an_export_comes_back(shop: Stack, run: Run, name: str) -> None:
    """All are in the file, payloads and attributes, and an import puts the same on the queue."""
    shop.dead.send([letter(1), moved(2), FOREIGN])
    ended = run("dlq", "export", name, "--json")
    assert (ended.code, ended.rows) == (0, [{"file": name, "messages": 3}])
    assert "3 dead letters in" in ended.err
    assert shop.dead.depth().visible == 3
    assert run("dlq", "purge", "--all", "--yes", "--no-backup").code == 0
    ended = run("dlq", "import", name)
    assert (ended.code, ended.out) == (0, "")
    assert "3 put on the dead-letter queue, 0 not" in ended.err
    found = {m.body: dict(m.attributes) for m in shop.dead.receive(10)}
    assert found == {m.body: dict(m.attributes) for m in (letter(1), moved(2), FOREIGN)}


def test_an_export_is_bounded(shop: Stack, run: Run) -> None:
    """--limit bounds it."""
    shop.dead.send([letter(number) for number in range(3)])
    assert run("dlq", "export", "x", "--limit", "2", "--json").rows == [{"file": "x", "messages": 2}]


@pytest.mark.parametrize("words", [["export"], ["purge", "--all", "--yes", "--backup"]])
@pytest.mark.parametrize(
    ("name", "code"), [("there", 5), ("draft", 5), ("x.zst", 2), ("no/folder", 1), ("/dev/full", 5)]
)
def test_a_file_that_cannot_be_written(shop: Stack, run: Run, words: list[str], name: str, code: int) -> None:
    """One that is there is a conflict, another compression wrong usage, a missing folder a failure."""
    shop.dead.send([letter(1)])
    (shop.folder / "there").write_text("mine")
    (shop.folder / "draft.part").write_text("mine")
    ended = run("dlq", *words, name)
    assert (ended.code, ended.out) == (code, "")
    assert name in ended.err
    assert shop.dead.depth().visible == 1
    assert (shop.folder / "there").read_text() == (shop.folder / "draft.part").read_text() == "mine"


def test_an_import_names_what_it_cannot_put_back(shop: Stack, run: Run) -> None:
    """A line on stdout for each, exit code 1, and the others are there."""
    good = json.dumps({"body": "hello", "attributes": {}})
    (shop.folder / "x").write_text(f"{good}\nnonsense\n{good}\n")
    ended = run("dlq", "import", "x", "--json")
    assert (ended.code, ended.rows) == (1, [{"line": 2, "code": "NoMessage"}])
    assert shop.dead.depth().total == 2
    assert run("dlq", "import", "x", "--from-line", "3").code == 0
    assert shop.dead.depth().total == 3


def test_an_import_of_a_cut_file_goes_as_far_as_it_can(shop: Stack, run: Run) -> None:
    """What is whole in it is put back, the fault is told with the line to go on at, and the exit code is 1."""
    shop.dead.send([letter(number) for number in range(3)])
    run("dlq", "export", "x.gz")
    whole = (shop.folder / "x.gz").read_bytes()
    (shop.folder / "x.gz.part").write_bytes(whole[:-4])
    ended = run("dlq", "import", "x.gz.part")
    assert ended.code == 1
    assert "All before line 4 is done" in ended.err
    assert shop.dead.depth().total == 6


@pytest.mark.parametrize("name", ["nosuch", "."])
def test_an_import_needs_a_file(shop: Stack, run: Run, name: str) -> None:
    """What is not there, or is a folder, is wrong usage."""
    assert run("dlq", "import", name).code == 2


# Purging


def test_a_purge_is_backed_up_marked_and_recorded(shop: Stack, run: Run, engine: Engine, ledger: Ledger) -> None:
    """A line for each; the backup has its time in its name; the ledger names the operation; all is on record."""
    ledger.enter("dead", id=id_of(1))
    shop.dead.send([letter(1), moved(2), FOREIGN])
    ended = run("dlq", "purge", "--all", "--yes", "--json")
    assert (ended.code, [row["outcome"] for row in ended.rows]) == (0, ["deleted"] * 3)
    (backup,) = shop.folder.glob("dead-letters-*-local-*Z.jsonl.gz")
    assert backup.name in ended.err
    assert len(list(read_archive(backup))) == 3
    (record,) = records(engine)
    assert (record["action"], record["outcome"]) == ("purge", "done")
    assert (record["selection"], record["counts"]) == (
        {"all": True, "limit": None, "backup": backup.name},
        {"deleted": 3, "not deleted": 0},
    )
    with engine.connect() as connection:
        marked = connection.exec_driver_sql("SELECT fault->>'purged' FROM penstock.ledger").scalar()
    assert marked == str(record["id"])


def test_a_purge_is_bounded(shop: Stack, run: Run) -> None:
    """--limit bounds it; --no-backup saves nowhere, and does not go with --backup."""
    shop.dead.send([letter(number) for number in range(3)])
    assert run("dlq", "purge", "--all", "--yes", "--no-backup", "--backup", "x").code == 2
    ended = run("dlq", "purge", "--all", "--yes", "--no-backup", "--limit", "2")
    assert (ended.code, len(ended.out.splitlines())) == (0, 2)
    assert "backup" not in ended.err
    assert shop.dead.depth().visible == 1


def test_a_ledger_that_cannot_be_told_ends_a_purge(shop: Stack, run: Run, engine: Engine) -> None:
    """What was deleted is printed and in the backup's draft, nothing more is deleted, and the exit code is 1."""
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE penstock.ledger RENAME TO ledger_away")
    shop.dead.send([letter(number) for number in range(25)])
    ended = run("dlq", "purge", "--all", "--yes", "--backup", "x")
    deleted = len(ended.out.splitlines())
    assert (ended.code, shop.dead.depth().visible) == (1, 25 - deleted)
    assert 0 < deleted < 25
    assert f"{deleted} were deleted, which the ledger could not be told" in ended.err
    assert len(list(read_archive(shop.folder / "x.part"))) == deleted
    assert records(engine)[0]["counts"] == {"deleted": deleted}


def test_a_full_disk_ends_a_purge(shop: Stack, run: Run, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that is not in the backup is deleted; the cause and the record say so."""
    shop.dead.send([letter(1)])

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("penstock.deadletters.archive.file.Archive._sync", lambda _: full(0))
    ended = run("dlq", "purge", "--all", "--yes")
    assert (ended.code, ended.out) == (1, "")
    assert "No space left on device" in ended.err
    assert shop.dead.depth().visible == 1
    assert (records(engine)[0]["outcome"], records(engine)[0]["counts"]) == ("failed", {})


# Asking


def test_a_purge_wants_the_stages_name(shop: Stack) -> None:
    """Typed on a terminal; anything else, or nothing, does nothing and ends with 3; Ctrl-C ends with 130."""
    shop.dead.send([letter(1)])
    for keys, code in (("yes\n", 3), ("\x04", 3), (None, 130), ("local\n", 0)):
        assert shop.dead.depth().visible == 1
        with Terminal([PROGRAM, "dlq", "purge", "--all"]) as terminal:
            terminal.wait_for("All of about 1 dead letters will be gone.")
            terminal.wait_for("Type local to go on: ")
            terminal.press(keys) if keys else terminal.process.send_signal(signal.SIGINT)
            assert terminal.ended() == code
    assert shop.dead.depth().total == 0


@pytest.mark.parametrize("words", [["--all"], [*KIND], ["--all", "--no-input"]])
def test_a_purge_needs_a_yes(shop: Stack, run: Run, words: list[str]) -> None:
    """Where nobody can be asked nothing is done without --yes: exit code 3."""
    shop.dead.send([letter(1)])
    ended = run("dlq", "purge", *words)
    assert (ended.code, ended.out) == (3, "")
    assert shop.dead.depth().visible == 1


# Interruptions


@pytest.fixture
def interrupting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the second receive of a run be interrupted, as by Ctrl-C."""
    receive = SqsQueue.receive
    calls: Iterator[int] = iter(range(1000))

    def second(queue: SqsQueue, *words: Any, **options: Any) -> Any:
        if options.get("wait_seconds") and next(calls) == 1:
            raise KeyboardInterrupt
        return receive(queue, *words, **options)

    monkeypatch.setattr(SqsQueue, "receive", second)


@pytest.mark.parametrize(
    "command",
    [
        ["list"],
        ["stats"],
        ["show", id_of(99)],
        ["export", "x"],
        ["replay", "--all", "--yes"],
        ["replay", *KIND, "--dry-run"],
        ["purge", "--all", "--yes", "--backup", "x"],
    ],
)
@pytest.mark.usefixtures("interrupting")
def test_ctrl_c_ends_with_130(shop: Stack, run: Run, engine: Engine, command: Sequence[str]) -> None:
    """How far it came is told, what was leased is given back, and an operation is on record as interrupted."""
    shop.dead.send([letter(number) for number in range(40)])
    ended = run("dlq", *command)
    assert ended.code == 130
    assert shop.dead.depth().in_flight == 0
    acts = command[0] == "purge" or "--yes" in command
    if acts:
        assert "stopped; so far: 10 " in ended.err
        assert [record["outcome"] for record in records(engine)] == ["interrupted"]
    if "x" in command:
        assert "x.part" in ended.err
    assert shop.dead.depth().total == (30 if acts else 40)


def test_a_killed_replay_is_seen_in_the_records(shop: Stack, engine: Engine) -> None:
    """A record without an end is of an operation that was killed; what it did not do is still there."""
    shop.dead.send([letter(number) for number in range(12)])
    words = [PROGRAM, "dlq", "replay", "--all", "--yes", "--rate", "1"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout
        assert process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)
    (record,) = records(engine)
    assert (record["ended_at"], record["outcome"]) == (None, None)
    assert shop.dead.depth().total + shop.main.depth().total >= 12


def test_an_interrupted_import_says_where_to_go_on(shop: Stack, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 130, and the line at which --from-line goes on."""
    (shop.folder / "x").write_text(f"{json.dumps({'body': 'hello', 'attributes': {}})}\n" * 200)
    send = SqsQueue.send
    calls = iter(range(10))

    def second(queue: SqsQueue, *words: Any, **options: Any) -> Any:
        if next(calls) == 1:
            raise KeyboardInterrupt
        return send(queue, *words, **options)

    monkeypatch.setattr(SqsQueue, "send", second)
    ended = run("dlq", "import", "x")
    assert ended.code == 130
    assert "--from-line 161 goes on there" in ended.err


# FIFO


def ordered(number: int, group: str = "g") -> Outgoing:
    """Write a dead letter of a group."""
    dead = letter(number)
    return Outgoing(dead.body, dead.attributes, group, id_of(number))


def test_a_fifo_queue_says_what_it_hides(fifo_shop: Stack, run: Run) -> None:
    """Behind ten of a group SQS shows nothing: a look says how many it cannot see."""
    assert fifo_shop.dead.send([ordered(number) for number in range(14)]) == {}
    ended = run("dlq", "list", "--json")
    assert len(ended.rows) < 14
    assert f"About {14 - len(ended.rows)} could not be looked at: they wait behind others" in ended.err


def test_a_fifo_replay_keeps_the_order(fifo_shop: Stack, run: Run) -> None:
    """All of a group go, one behind the other, under its name."""
    fifo_shop.dead.send([ordered(number) for number in range(14)])
    ended = run("dlq", "replay", "--all", "--yes")
    assert (ended.code, fifo_shop.dead.depth().total) == (0, 0)
    sent: list[Any] = []
    while page := fifo_shop.main.receive(10):
        fifo_shop.main.delete([message.receipt_handle for message in page])
        sent += page
    assert [json.loads(message.body)["id"] for message in sent] == [id_of(number) for number in range(14)]
    assert {message.group for message in sent} == {"g"}


def test_a_fifo_file_comes_back(fifo_shop: Stack, run: Run) -> None:
    """A purge's backup is put back in its group at once, although SQS has had it within five minutes."""
    fifo_shop.dead.send([ordered(number) for number in range(3)])
    assert run("dlq", "purge", "--all", "--yes", "--backup", "x").code == 0
    assert run("dlq", "import", "x").code == 0
    assert [message.group for message in fifo_shop.dead.receive(10)] == ["g"] * 3
