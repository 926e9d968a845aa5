"""`penstock dlq` on a queue that is longer than what SQS lets anybody lease."""

from pathlib import Path

import pytest

from penstock.cli.support.stage import Queues, Stage
from penstock.testing import MemoryQueue
from tests.support.cli_stack import Run, letter, record

LETTERS, LIMIT = 25, 10
TOLD = "could not be looked at"


@pytest.fixture
def dead(folder: Path, monkeypatch: pytest.MonkeyPatch) -> MemoryQueue:
    """A stage whose dead-letter queue has more messages than may be in flight."""
    dead, main = MemoryQueue(in_flight_limit=LIMIT), MemoryQueue()
    dead.send([letter(number) for number in range(LETTERS)])
    (folder / "serverless.yml").write_text("service: shop\n")
    record(folder, endpoint_url="http://127.0.0.1:1")
    monkeypatch.setattr(Stage, "queues", lambda _stage: Queues(main, dead, 1_209_600))  # type: ignore[arg-type]
    return dead


@pytest.mark.parametrize(
    "words",
    [
        ("stats",),
        ("list",),
        ("export", "letters.jsonl"),
        ("replay", "--kind", "other", "--no-record"),
        ("purge", "--kind", "other", "--yes", "--no-record"),
    ],
)
def test_what_cannot_be_leased_is_told_of(dead: MemoryQueue, run: Run, words: tuple[str, ...]) -> None:
    """Whoever holds what it looks at says how many were beyond the limit, and gives all back."""
    ended = run("dlq", *words)
    assert f"About {LETTERS - LIMIT} {TOLD}" in ended.err
    assert "replay --all" in ended.err
    assert dead.depth().visible == LETTERS


@pytest.mark.parametrize(
    "words",
    [
        ("replay", "--all", "--yes", "--no-record"),
        ("purge", "--all", "--yes", "--no-record"),
        ("list", "--limit", "3"),
        ("export", "letters.jsonl", "--limit", "3"),
        ("replay", "--all", "--yes", "--no-record", "--limit", "3"),
    ],
)
def test_where_the_limit_does_not_matter_nothing_is_told(
    dead: MemoryQueue, run: Run, words: tuple[str, ...]
) -> None:
    """Page by page all are reached, and who wants a few has them: nobody is told of a limit."""
    ended = run("dlq", *words)
    assert ended.code == 0
    assert TOLD not in ended.err
    assert len(dead.messages) == (
        0 if "--all" in words and "--limit" not in words else LETTERS - 3 * (words[0] == "replay")
    )
