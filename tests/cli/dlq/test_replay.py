"""`penstock dlq replay`: what it sends, what it prints, and how it ends."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from penstock.deadletters.replay_marker import ReplayMarker
from penstock.queue import Outgoing, Refusal, SqsQueue
from tests.support.cli_stack import Run, Stack, id_of, in_terminal, letter
from tests.support.dlq import (
    FINGERPRINT,
    KIND,
    operation_records,
    page_view_letter,
)


def test_replay_by_id_moves_one(shop: Stack, run: Run) -> None:
    """The selected dead letter is on the queue as its sender wrote it, and the others stay."""
    shop.dead.send([letter(1), letter(2)])
    ended = run("dlq", "replay", "--id", id_of(2), "--json")
    (row,) = ended.rows
    assert (ended.code, row["outcome"], row["id"]) == (0, "replayed", id_of(2))
    (sent,) = shop.main.receive(10)
    assert (json.loads(sent.body)["id"], set(sent.attributes)) == (id_of(2), {"type", "penstock.replay"})
    assert (shop.dead.depth().visible, shop.dead.depth().total) == (1, 1)


def test_replay_of_all_moves_all(shop: Stack, run: Run) -> None:
    """--all --yes moves every message, and stderr has their number."""
    shop.dead.send([letter(number) for number in range(12)])
    ended = run("dlq", "replay", "--all", "--yes")
    assert (ended.code, len(ended.out.splitlines())) == (0, 12)
    assert "12 replayed" in ended.err
    assert (shop.dead.depth().total, shop.main.depth().total) == (0, 12)


def test_replay_of_a_missing_id_fails(shop: Stack, run: Run) -> None:
    """Nothing moves, stderr has the missing id, and the exit code is 1."""
    shop.dead.send([letter(1)])
    ended = run("dlq", "replay", "--id", id_of(9))
    assert (ended.code, ended.out) == (1, "")
    assert f"no dead letter has the id {id_of(9)}" in ended.err
    assert "There are no dead letters" not in ended.err
    assert shop.main.depth().total == 0


@pytest.mark.parametrize("words", [[], ["--no-input"]])
def test_replay_of_all_needs_a_confirmation(shop: Stack, run: Run, words: list[str]) -> None:
    """Without a terminal, --all without --yes changes nothing and exits with 3."""
    shop.dead.send([letter(1)])
    ended = run("dlq", "replay", "--all", *words)
    assert (ended.code, ended.out) == (3, "")
    assert "--yes" in ended.err
    assert shop.dead.depth().visible == 1


def test_a_terminal_gets_a_table_and_a_question(shop: Stack) -> None:
    """On a terminal, list prints a table and --all asks; the answer no changes nothing and exits with 3."""
    shop.dead.send([letter(1)])
    _, screen = in_terminal(["dlq", "list"], "")
    assert f"1 x email.requested, DataFault, fingerprint {FINGERPRINT[:8]}" in screen
    assert f"  {id_of(1)}" in screen
    assert "in 13d" in screen
    _, screen = in_terminal(["dlq", "list", "--json"], "")
    (line,) = re.findall(r"^.*(\{.*\})\r$", screen, re.MULTILINE)
    assert json.loads(line)["id"] == id_of(1)
    code, screen = in_terminal(["dlq", "replay", "--all"], "n\n")
    assert "Replay all dead letters (about 1)?" in screen
    assert (code, shop.dead.depth().visible) == (3, 1)
    code, screen = in_terminal(["dlq", "replay", "--all"], "y\n")
    assert (code, f"replayed   email.requested  {id_of(1)}\r\n" in screen) == (0, True)
    assert shop.main.depth().total == 1


def test_an_interrupted_replay_reports_its_counts(shop: Stack, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C exits with 130, prints the counts so far, and gives back the leases."""
    shop.dead.send([letter(number) for number in range(12)])

    def interrupt(*words: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("penstock.cli.dlq.recorded_replay.print_step", interrupt)
    ended = run("dlq", "replay", "--all", "--yes")
    assert ended.code == 130
    assert "so far: 10 replayed" in ended.err
    assert shop.dead.depth().in_flight == 0
    assert shop.dead.depth().total + shop.main.depth().total == 12


def test_a_replay_with_expired_credentials_exits_with_4(
    shop: Stack, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token that expires during the run exits with 4, and the error names the credentials."""
    shop.dead.send([letter(number) for number in range(35)])

    def expired(_queue: SqsQueue, messages: Sequence[Outgoing]) -> dict[int, Refusal]:
        return dict.fromkeys(range(len(messages)), Refusal("ExpiredToken", retryable=False))

    monkeypatch.setattr(SqsQueue, "send", expired)
    ended = run("dlq", "replay", "--all", "--yes")
    assert ended.code == 4
    assert "Check the AWS credentials" in ended.err
    assert shop.dead.depth().visible == 35


def test_a_replay_reports_its_counts_once(shop: Stack, run: Run, engine: Engine) -> None:
    """One line on stderr has the counts, the operation and the actor, and the record has the same."""
    shop.dead.send([letter(1), letter(2)])
    ended = run("dlq", "replay", *KIND, "--limit", "1", "--rate", "50")
    (record,) = operation_records(engine)
    assert ended.err.count("1 replayed (operation") == 1
    assert f"(operation {record['id']}, by {record['actor']})" in ended.err
    assert (record["action"], record["outcome"], record["counts"]) == ("replay", "done", {"replayed": 1})
    assert record["selection"] == {"kinds": ["email.requested"], "limit": 1, "rate": 50.0}
    assert shop.dead.depth().visible == 1


@pytest.mark.parametrize(
    "words", [["--rate", "0"], ["--rate", "nan"], ["--rate", "inf"], ["--canary-seconds", "nan"]]
)
def test_an_invalid_number_is_wrong_usage(folder: Path, run: Run, words: list[str]) -> None:
    """A number that is not finite, or not above 0, exits with 2 before anything is recorded."""
    assert run("dlq", "replay", "--all", "--yes", *words).code == 2


def test_max_replays_leaves_dead_letters(shop: Stack, run: Run) -> None:
    """With --max-replays, a dead letter that was replayed as often is left; this is reported and no failure."""
    shop.dead.send([ReplayMarker(2, "a run").attach_to(letter(1)), letter(2)])
    words = ("dlq", "replay", "--all", "--yes", "--max-replays", "2", "--json")
    tried = run(*words, "--dry-run")
    assert (tried.code, {row["id"]: row["would"] for row in tried.rows}[id_of(1)]) == (0, "left")
    ended = run(*words)
    assert (ended.code, {row["id"]: row["code"] for row in ended.rows}[id_of(1)]) == (0, "ReplayedTooOften")
    assert "1 left" in ended.err
    assert (shop.dead.depth().visible, shop.main.depth().total) == (1, 1)


def test_replay_to_another_queue(shop: Stack, run: Run) -> None:
    """--to accepts the name or the URL of a queue; an unknown queue or the dead-letter queue is wrong usage."""
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


def test_an_edit_repairs_the_intents(service: Stack, run: Run) -> None:
    """A trial shows that the edit helps, a replay sends the edited messages, and invalid results are not sent."""
    service.dead.send([page_view_letter(1, duration_ms=2_000_000_000), page_view_letter(2, colour="blue")])
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
def test_an_invalid_edit_is_wrong_usage(service: Stack, run: Run, words: list[str]) -> None:
    """An edit or a drain that cannot be loaded exits with 2, and nothing is sent."""
    service.dead.send([page_view_letter(1)])
    ended = run("dlq", "replay", "--all", "--yes", *words)
    assert (ended.code, ended.out) == (2, "")
    assert service.main.depth().total == 0
