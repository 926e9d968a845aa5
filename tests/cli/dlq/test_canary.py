"""`penstock dlq replay --canary`: the rest is sent only if the canary is applied."""

import json
from collections.abc import Callable

import pytest
from sqlalchemy import Engine

from penstock.deadletters.replay.canary import Canary
from penstock.queue import SqsQueue
from tests.support.cli_stack import Run, Stack, id_of, letter
from tests.support.dlq import (
    FOREIGN,
    KIND,
    operation_records,
)
from tests.support.ledgers import Ledger


class FakeDrain:
    """A drain that enters one outcome in the ledger for each message on the queue."""

    def __init__(self, ledger: Ledger, queue: SqsQueue, outcome: str) -> None:
        self._ledger, self._queue, self._outcome = ledger, queue, outcome

    def settle(self, _: float) -> None:
        """Enter the outcome of the messages on the queue."""
        for message in self._queue.receive(10, visibility_seconds=3600):
            self._ledger.enter(self._outcome, id=json.loads(message.body)["id"], ago=-1)


@pytest.fixture
def drain_outcome(shop: Stack, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return a function that sets the outcome of the canaries."""

    def decide(outcome: str) -> None:
        settle = FakeDrain(ledger, shop.main, outcome).settle
        monkeypatch.setattr("penstock.cli.dlq.recorded_replay.Canary", lambda engine: Canary(engine, sleep=settle))

    return decide


@pytest.mark.parametrize("more", [["--all", "--yes"], ["--id", id_of(1), "--id", id_of(2), "--id", id_of(3)]])
def test_an_applied_canary_sends_the_rest(
    shop: Stack, run: Run, engine: Engine, drain_outcome: Callable[[str], None], more: list[str]
) -> None:
    """The rest is sent, the totals include the canary, and no id of the canary is reported as missing."""
    drain_outcome("applied")
    shop.dead.send([letter(1), letter(2), letter(3)])
    ended = run("dlq", "replay", "--canary", "2", "--json", *more)
    assert (ended.code, len(ended.rows)) == (0, 3)
    assert "canary: 2 applied" in ended.err
    assert "3 replayed (operation" in ended.err
    assert operation_records(engine)[0]["counts"] == {"replayed": 3}
    assert shop.dead.depth().total == 0


@pytest.mark.parametrize(("limit", "sent"), [("2", 2), ("1", 1), ("3", 3)])
def test_a_limit_counts_the_canary(
    shop: Stack, run: Run, drain_outcome: Callable[[str], None], limit: str, sent: int
) -> None:
    """--limit bounds the canary and the rest together."""
    drain_outcome("applied")
    shop.dead.send([letter(number) for number in range(5)])
    ended = run("dlq", "replay", *KIND, "--canary", "2", "--limit", limit)
    assert (ended.code, len(ended.out.splitlines())) == (0, sent)
    assert "There are no dead letters" not in ended.err
    assert shop.dead.depth().visible == 5 - sent


def test_a_dead_canary_stops_the_replay(
    shop: Stack, run: Run, engine: Engine, drain_outcome: Callable[[str], None]
) -> None:
    """The exit code is 1, the rest is not sent, the error has the way out, and the record has the failure."""
    drain_outcome("dead")
    shop.dead.send([letter(number) for number in range(5)])
    ended = run("dlq", "replay", "--all", "--yes", "--canary", "2")
    assert ended.code == 1
    assert "the canary failed: 2 dead. The rest was not sent" in ended.err
    assert (shop.dead.depth().visible, shop.main.depth().total) == (3, 2)
    assert (operation_records(engine)[0]["outcome"], operation_records(engine)[0]["counts"]) == (
        "failed",
        {"replayed": 2},
    )


def test_a_pending_canary_fails(shop: Stack, run: Run) -> None:
    """A canary that is pending after --canary-seconds fails."""
    shop.dead.send([letter(1), letter(2)])
    ended = run("dlq", "replay", "--all", "--yes", "--canary", "1", "--canary-seconds", "1")
    assert ended.code == 1
    assert "1 pending" in ended.err


def test_a_canary_without_an_id_fails(shop: Stack, run: Run) -> None:
    """A message of another program has no id in the ledger, so that its canary fails."""
    shop.dead.send([FOREIGN])
    ended = run("dlq", "replay", "--all", "--yes", "--canary", "1")
    assert ended.code == 1
    assert "1 without an id that the ledger could have" in ended.err


def test_a_canary_needs_the_ledger(shop: Stack, run: Run, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """--canary does not go with --no-record, and if the ledger becomes unreachable the rest is not sent."""
    shop.dead.send([letter(1), letter(2)])
    assert run("dlq", "replay", "--all", "--yes", "--canary", "1", "--no-record").code == 2

    def go_away(_: float) -> None:
        with engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE penstock.ledger RENAME TO ledger_away")

    monkeypatch.setattr("penstock.cli.dlq.recorded_replay.Canary", lambda engine: Canary(engine, sleep=go_away))
    ended = run("dlq", "replay", "--all", "--yes", "--canary", "1")
    assert ended.code == 1
    assert "the outcome of the canary cannot be read from the ledger" in ended.err
    assert "The rest was not sent" in ended.err
    assert shop.main.depth().total == 1
