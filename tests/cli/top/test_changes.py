"""What `penstock top` changes: replays and the breaker, each after a yes; and the record of it."""

import json
from threading import Event

import pytest
from sqlalchemy import Engine

from penstock.cli.operate.stage import OperatedStage
from penstock.cli.top.screens.replay import ReplayForm, ReplayScreen
from penstock.consumer.breaker.event_source import OPERATOR_MARK
from penstock.testing.clock import ManualClock
from penstock.testing.queue import MemoryQueue
from tests.support.dlq import operation_records
from tests.support.lambdas import LambdaStub, refusal
from tests.support.ledgers import Ledger
from tests.support.operate import dead_letter, operated
from tests.support.top import SIZES, Player, play


class Shop:
    """Two queues, with so many dead letters of one cause."""

    def __init__(self, count: int) -> None:
        self.dead, self.main = (MemoryQueue(ManualClock()) for _ in range(2))
        assert self.dead.send([dead_letter(number) for number in range(count)]) == {}

    def settle(self, ledger: Ledger, outcome: str) -> None:
        """Enter the outcome of what is on the main queue."""
        for message in self.main.receive(10, visibility_seconds=3600):
            ledger.enter(outcome, id=json.loads(message.body)["id"], ago=-1)


async def open_causes(player: Player) -> None:
    await player.sees("DEGRADED")
    await player.press("enter")
    await player.sees("one receive of each", "Read")


async def ask_for_replay(player: Player, canary: str = "2") -> None:
    await open_causes(player)
    await player.press("p")
    await player.until(lambda: isinstance(player.app.screen, ReplayForm))
    await player.press("home", "ctrl+k")
    await player.type(canary)
    await player.press("enter")


@pytest.mark.server
def test_a_replay_with_a_canary(engine: Engine) -> None:
    """After a yes the canary is sent, the rest once it took effect; the operation is shown and on record."""
    shop, ledger = Shop(5), Ledger(engine)

    async def steps(player: Player) -> None:
        await ask_for_replay(player)
        await player.sees("Replay stock.adjusted CheckViolation 23514?", "2 of about 5", "on record")
        assert shop.main.depth().total == 0
        await player.press("y")
        await player.until(lambda: shop.main.depth().total == 2)
        await player.sees("● wait for its outcomes", "sent so far: 2 replayed")
        shop.settle(ledger, "applied")
        await player.sees("Done.", "5 replayed", "canary: 2 applied")
        await player.press("escape", "escape", "o")
        await player.sees("replay", "done")

    play(steps, lambda: operated(shop.dead, shop.main, engine), size=SIZES[0])
    (record,) = operation_records(engine)
    assert (record["actor"], record["outcome"], record["counts"]) == ("user/alice", "done", {"replayed": 5})
    assert shop.dead.depth().total == 0


@pytest.mark.server
def test_a_canary_that_dies_stops_the_replay(engine: Engine) -> None:
    """If a canary dies, the rest is not sent, and the screen says why and what to do."""
    shop, ledger = Shop(5), Ledger(engine)

    async def steps(player: Player) -> None:
        await ask_for_replay(player, "1")
        await player.press("y")
        await player.until(lambda: shop.main.depth().total == 1)
        shop.settle(ledger, "dead")
        await player.sees("the canary failed: 1 dead", "The rest was not sent", "penstock dlq list")

    play(steps, lambda: operated(shop.dead, shop.main, engine))
    assert shop.dead.depth().visible == 4


@pytest.mark.server
@pytest.mark.parametrize("key", ["s", "q"])
def test_a_replay_that_is_stopped(engine: Engine, key: str) -> None:
    """Stopping it, or quitting, ends it at once; what was sent stays sent, and the record says interrupted."""
    shop = Shop(5)

    async def steps(player: Player) -> None:
        await ask_for_replay(player)
        await player.press("y")
        await player.sees("● wait for its outcomes")
        await player.press("escape")
        assert isinstance(player.app.screen, ReplayScreen)
        await player.press(key)
        if key == "s":
            await player.sees("Stopped. What was sent stays sent")

    app = play(steps, lambda: operated(shop.dead, shop.main, engine))
    assert app.session.threads.stop_all(30)
    assert operation_records(engine)[0]["outcome"] == "interrupted"
    assert (shop.dead.depth().visible, shop.main.depth().total) == (3, 2)


def test_no_is_no() -> None:
    """Without a y nothing is sent: not by Enter, not by n, not by Escape; and not without a good number."""
    shop = Shop(5)

    async def steps(player: Player) -> None:
        await ask_for_replay(player, "0")
        await player.sees("The canary is at least 1.")
        await player.press("3", "enter")
        await player.sees("3 of about 5")
        await player.press("enter", "n", "p", "escape", "p", "enter")
        await player.sees("5 of about 5")
        await player.press("escape")
        await player.sees("one receive of each")

    play(steps, lambda: operated(shop.dead, shop.main))
    assert (shop.dead.depth().visible, shop.main.depth().total) == (5, 0)


def test_a_replay_without_the_database() -> None:
    """If Postgres is down, nothing is sent, since it could not be on record; a drain that is off is named."""
    shop, stub = Shop(1), LambdaStub(on=False, tags={OPERATOR_MARK: "index build"})

    async def steps(player: Player) -> None:
        await open_causes(player)
        await player.press("enter", "enter", "p")
        await player.sees("Replay dead letter 00000000", "Careful: the drain is off, by an operator: index build")
        await player.press("y")
        await player.until(lambda: isinstance(player.app.screen, ReplayScreen))
        await player.sees("connection refused")
        await player.press("escape")
        await player.sees("shape of the payload")

    play(steps, lambda: operated(shop.dead, shop.main, stub=stub))
    assert (shop.dead.depth().visible, shop.main.depth().total) == (1, 0)


@pytest.mark.parametrize("size", SIZES[::2])
def test_the_breaker(size: tuple[int, int]) -> None:
    """The drain is turned off with a reason and a yes, and on again with a yes."""
    stub = LambdaStub()

    def changes() -> int:
        return stub.named.count("update_event_source_mapping")

    async def steps(player: Player) -> None:
        await player.sees("DEGRADED")
        await player.press("b")
        await player.sees("closed", "o open: turn the drain off")
        await player.press("o", "enter")
        await player.type("index build")
        await player.press("enter")
        await player.sees("Turn the drain off?", "Reason: index build")
        assert changes() == 0
        await player.press("y")
        await player.sees("open by operator", "index build", "Before, it was closed")
        await player.press("c", "n")
        assert changes() == 1
        await player.press("c", "y")
        await player.sees("Before, it was open by operator")

    play(steps, lambda: operated(MemoryQueue(), MemoryQueue(), stub=stub), size=size)
    assert (stub.on, changes()) == (True, 2)
    assert OPERATOR_MARK not in stub.tags


def test_a_change_of_the_breaker_goes_on_when_the_window_is_left() -> None:
    """Lambda may take a minute: the window can be left, and how it ended is said where the operator is by then."""
    begun, go_on, stub = Event(), Event(), LambdaStub()

    def before() -> None:
        if begun.is_set():
            go_on.wait(30)

    stub.before = before

    async def steps(player: Player) -> None:
        await player.sees("DEGRADED")
        await player.press("b")
        await player.sees("closed")
        begun.set()
        await player.press("o")
        await player.type("a")
        await player.press("enter", "y", "escape")
        await player.sees("DEGRADED")
        go_on.set()
        await player.sees("Before, it was closed")

    play(steps, lambda: operated(MemoryQueue(), MemoryQueue(), stub=stub))
    assert not stub.on


def test_lambda_refuses() -> None:
    """A refusal is on the screen, with its code and no text of AWS's."""
    stub = LambdaStub(refusals={"update_event_source_mapping": refusal("AccessDeniedException")})

    async def steps(player: Player) -> None:
        await player.sees("DEGRADED")
        await player.press("b")
        await player.sees("closed")
        await player.press("o")
        await player.type("a")
        await player.press("enter", "y")
        assert "hunter2" not in await player.sees("AccessDeniedException")

    play(steps, lambda: operated(MemoryQueue(), MemoryQueue(), stub=stub))


def test_operations_without_the_database() -> None:
    """If Postgres is down, the list of operations says so, and works once it is back."""

    def stage() -> OperatedStage:
        return operated(MemoryQueue(), MemoryQueue())

    async def steps(player: Player) -> None:
        await player.sees("DEGRADED")
        await player.press("o")
        await player.sees("connection refused", "--database-url")
        await player.press("escape")
        await player.sees("DEGRADED")

    play(steps, stage)
