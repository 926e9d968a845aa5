"""The options that select dead letters."""

from pathlib import Path

import pytest

from penstock.queue import Outgoing
from tests.support.cli_stack import Run, Stack, id_of, letter
from tests.support.dlq import KIND, moved_by_sqs

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
    """List and purge act on exactly the selected dead letters."""
    shop.dead.send([letter(1), moved_by_sqs(2), letter(3)])
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
def test_invalid_selectors_are_wrong_usage(folder: Path, run: Run, command: list[str], words: list[str]) -> None:
    """An invalid selector exits with 2, before any request or file."""
    ended = run("dlq", *command, *words)
    assert (ended.code, ended.out) == (2, "")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("command", ["replay", "purge"])
@pytest.mark.parametrize("words", [[], ["--all", *KIND]])
def test_replay_and_purge_need_a_selection(folder: Path, run: Run, command: str, words: list[str]) -> None:
    """Neither a selector nor --all, or both, is wrong usage."""
    ended = run("dlq", command, "--yes", *words)
    assert (ended.code, ended.out) == (2, "")
    assert "either --all, or --id" in ended.err


@pytest.mark.parametrize("words", [[], ["--all", "--id", "x"], ["--id", ""], ["--all", "--nosuch"]])
def test_replay_needs_a_selection(folder: Path, run: Run, words: list[str]) -> None:
    """No selection, two of them or a blank id is wrong usage, before any request."""
    ended = run("dlq", "replay", *words)
    assert (ended.code, ended.out) == (2, "")


@pytest.mark.parametrize("command", [["replay"], ["purge", "--yes"], ["replay", "--dry-run"]])
def test_a_selector_without_matches_changes_nothing(shop: Stack, run: Run, command: list[str]) -> None:
    """A selector without matches leaves the queue unchanged, and creates no file."""
    shop.dead.send([letter(1)])
    before = sorted(shop.folder.iterdir())
    ended = run("dlq", *command, "--fault", "CheckViolation")
    assert (ended.code, ended.out) == (0, "")
    assert (shop.dead.depth().visible, shop.main.depth().total) == (1, 0)
    assert sorted(shop.folder.iterdir()) == before


@pytest.mark.parametrize("command", [["list"], ["stats"], ["replay"], ["replay", "--dry-run"], ["purge", "--yes"]])
def test_failed_conditions_are_counted(shop: Stack, run: Run, command: list[str]) -> None:
    """Stderr has the number of messages on which --where failed, and none of them is selected."""
    shop.dead.send([letter(1), Outgoing("hello"), moved_by_sqs(2)])
    ended = run("dlq", *command, "--where", "contains(data.email, 'nobody')")
    assert (ended.code, ended.out.count(id_of(1))) == (0, 0)
    assert "--where could not be evaluated on 2 dead letters" in ended.err
    assert shop.dead.depth().visible == 3


MISSING = [["replay"], ["replay", "--dry-run"], ["export", "x.jsonl"], ["purge", "--yes"]]


@pytest.mark.parametrize("command", MISSING)
def test_missing_ids_are_reported(shop: Stack, run: Run, command: list[str]) -> None:
    """A missing id exits with 1, and the others are processed."""
    shop.dead.send([letter(1)])
    ended = run("dlq", *command, "--id", id_of(1), "--id", id_of(9))
    assert ended.code == 1
    assert f"no dead letter has the id {id_of(9)}" in ended.err
    assert id_of(1) not in ended.err
