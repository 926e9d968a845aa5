"""`penstock dlq` on a queue with more messages than SQS leases at once."""

from pathlib import Path

import pytest

from penstock.cli.support.stage import Queues, Stage
from penstock.testing import MemoryQueue
from tests.support.cli_stack import Run, letter, record

LETTERS, LIMIT = 25, 10


REPORTED = "dead letters could not be read"


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
def test_messages_beyond_the_limit_are_reported(dead: MemoryQueue, run: Run, words: tuple[str, ...]) -> None:
    """A run that holds its leases reports how many messages are beyond the limit, and gives all leases back."""
    ended = run("dlq", *words)
    assert f"About {LETTERS - LIMIT} {REPORTED}" in ended.err
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
def test_a_run_page_by_page_does_not_reach_the_limit(dead: MemoryQueue, run: Run, words: tuple[str, ...]) -> None:
    """A run that works page by page, or that needs only a few messages, reports no limit."""
    ended = run("dlq", *words)
    assert ended.code == 0
    assert REPORTED not in ended.err
    assert len(dead.messages) == (
        0 if "--all" in words and "--limit" not in words else LETTERS - 3 * (words[0] == "replay")
    )
