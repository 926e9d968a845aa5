"""The sum of a run: what was read is what had an outcome, was not selected, or was not reached."""

import pytest

from tests.support.cli_stack import Run, Stack, letter
from tests.support.dlq import FOREIGN, KIND

LETTERS = [letter(1), letter(2), FOREIGN, FOREIGN]


@pytest.mark.parametrize(
    ("words", "total", "unparsed"),
    [
        (["replay", *KIND, "--dry-run"], "2 replayed + 2 not selected", "0 selected, 2 not selected"),
        (["purge", *KIND, "--yes", "--limit", "1"], "1 deleted + 2 not selected + 1 not reached", None),
        (["replay", *KIND], "2 replayed + 2 not selected", "0 selected, 2 not selected"),
        (["replay", "--all", "--yes"], "4 replayed", "2 selected, 0 not selected"),
        (["export", "x", "--fault", "other"], "2 written + 2 not selected", "2 selected, 0 not selected"),
        (["purge", *KIND, "--yes"], "2 deleted + 2 not selected", "0 selected, 2 not selected"),
        (["purge", "--where", "data", "--yes"], "2 deleted + 2 not selected", "0 selected, 2 not selected"),
    ],
    ids=lambda words: " ".join(words[:3]) if isinstance(words, list) else "",
)
def test_the_sum_of_a_run_adds_up(
    shop: Stack, run: Run, words: list[str], total: str, unparsed: str | None
) -> None:
    """Messages that cannot be parsed are counted among the selected or the others, and have a line."""
    shop.dead.send(LETTERS)
    ended = run("dlq", *words)
    assert ended.code == 0
    assert f"4 read = {total}\n" in ended.err
    assert unparsed is None or f"2 of these cannot be parsed, so that they have no id: {unparsed}" in ended.err


def test_a_sum_that_says_nothing_new_is_left_out(shop: Stack, run: Run) -> None:
    """If every message had an outcome and an id, the counts of the run are enough."""
    shop.dead.send([letter(1)])
    assert " read = " not in run("dlq", "replay", "--all", "--yes").err


def test_an_export_has_the_sum_as_json(shop: Stack, run: Run) -> None:
    """The line of an export has what was read, written, not selected and not parsed."""
    shop.dead.send(LETTERS)
    (line,) = run("dlq", "export", "x", *KIND, "--json").rows
    assert line == {"file": "x", "messages": 2, "unparsed": 0, "read": 4, "not_selected": 2}
