"""The first screen of `penstock top`, at several sizes, with made-up figures."""

from dataclasses import replace
from datetime import timedelta

import pytest

from demo.picture import InventedReader, invented_stage, snapshot, snapshots
from penstock.cli.operate.stage import OperatedStage
from penstock.cli.status.snapshot import Snapshot
from penstock.cli.top.tenants import Tenants
from penstock.consumer.breaker.manual import BreakerStatus
from penstock.database.ledger_stats import DeadCause
from penstock.testing.clock import ManualClock
from tests.support.top import SIZES, Player, play

ERRORS = {"queue": "ReceiveMessage: AccessDenied", "database": "no route", "breaker": "GetTags: Denied"}


def stage() -> OperatedStage:
    return invented_stage(ManualClock())


def shown(snapshot: Snapshot, *texts: str) -> str:
    """Return the first screen, once it shows these texts."""
    screens: list[str] = []

    async def steps(player: Player) -> None:
        screens.append(await player.sees(*texts))

    play(steps, stage, InventedReader([snapshot], Tenants(noisy=0)), size=(104, 47))
    return screens[0]


@pytest.mark.parametrize("size", SIZES)
def test_what_matters_is_there_at_each_size(size: tuple[int, int]) -> None:
    """The verdict, the next command, each figure with its scale, the time and the keys fit, without scrolling."""
    texts = ["DEGRADED", "penstock", "60k┤", "2k┤", "╵", "waits for", "UndefinedColumn", "causes", "breaker"]

    *before, last = snapshots()

    async def steps(player: Player) -> None:
        screen = await player.sees(*texts)
        assert max(map(len, screen.splitlines())) == size[0]

    play(steps, stage, InventedReader([last]), before=before, size=size)


def test_each_size_on_the_way() -> None:
    """It fits after every change of size, also after a screen that is too small for anything."""

    def line_of(player: Player, text: str) -> int:
        return next(n for n, line in enumerate([*player.screen.splitlines(), text]) if text in line)

    async def steps(player: Player) -> None:
        await player.sees("shop-production")
        sizes = {(80, 24): 13, (3, 7): None, (1, 1): None, (80, 40): 27, (80, 25): 13, (80, 15): 8}
        for size, line in sizes.items():
            await player.resize(*size)
            await player.until(lambda line=line: line in {None, line_of(player, "waits for")})  # type: ignore[misc]

    play(steps, stage, InventedReader([snapshot(dead=4)]))


def test_a_part_that_cannot_be_read_has_its_reason() -> None:
    """Each part that could not be read is shown with its reason, the others are shown, and the chart says so."""
    blind = replace(snapshot(dead=5), queue=None, figures=None, breaker=None, errors=ERRORS)
    screen = shown(blind, *ERRORS.values())
    assert "dead letters" in screen
    assert screen.count("not known") >= 5
    assert "·" in screen


def test_an_open_breaker_stops_the_stage() -> None:
    """An open breaker is the first word, and who opened it and why is below."""
    opened = replace(snapshot(), breaker=BreakerStatus("open", "operator", "alice: index build", "Disabled"))
    screen = shown(opened, "STOPPED")
    assert screen.count("open by operator: alice: index build") == 2
    assert "next  penstock breaker status --stage dev" in screen


def test_a_senders_text_is_neither_markup_nor_control() -> None:
    """A kind of an unknown sender is text: no markup, no control sequence."""
    figures = snapshot().figures
    assert figures
    cause = replace(figures.waiting[0], kind="[red]x\x1b[31m\n[/]", fault="SchemaFault")
    hostile = replace(figures, causes=[DeadCause("[link=x]y[/link]\x07", "[b]r", None, None, 1)], waiting=[cause])
    screen = shown(replace(snapshot(), figures=hostile), "[link=x]y[/link]\N{REPLACEMENT CHARACTER}", "[b]r")
    assert screen.count("[red]x\N{REPLACEMENT CHARACTER}[31m\N{REPLACEMENT CHARACTER}[/]") == 2


@pytest.mark.parametrize(
    ("died", "left"),
    [(timedelta(days=8, hours=7), "5d 17h of 14d left"), (timedelta(days=13, hours=20), "4h of 14d left")],
)
def test_the_first_expiry(died: timedelta, left: str) -> None:
    """The time until the first dead letter expires is a bar and a text."""
    one = snapshot(dead=3)
    assert one.figures
    shown(replace(one, figures=replace(one.figures, first_dead_at=one.at - died)), f"━ {left}")


def test_nothing_is_wrong() -> None:
    """A stage without faults is OK, and has no next command."""
    one = snapshot()
    assert one.figures
    quiet = replace(one.figures, causes=[], waiting=[], pending=0, resting=0, dead_in_all=0, first_dead_at=None)
    screen = shown(replace(one, figures=quiet), "OK shop-production", "no dead intents", "none is noisy")
    assert "next  penstock" not in screen


def test_the_history_is_a_column_for_each_snapshot() -> None:
    """Each refresh adds a column, and its time is at the end of the axis."""
    first = list(snapshots())[:3]

    async def steps(player: Player) -> None:
        await player.sees("03:00:00╵")
        await player.press("r")
        await player.sees("03:00:02╵")
        await player.press("r")
        await player.until(lambda: len(player.app.history.figures) == 3)
        assert [one.at for one in player.app.history.figures] == [one.at for one in first]

    play(steps, stage, InventedReader(first))


def test_the_help() -> None:
    """The question mark shows the keys, and says what reading dead letters does."""

    async def steps(player: Player) -> None:
        await player.sees("shop-production")
        await player.press("question_mark")
        await player.sees("trial: what the drain would do now", "counts as one receive")
        await player.press("escape")
        await player.sees("shop-production")

    play(steps, stage, size=(80, 40))


def test_an_error_that_nobody_expected() -> None:
    """It ends the app and is raised, and nothing of it is printed: local variables may hold payloads."""

    class FailingReader(InventedReader):
        def read(self) -> Snapshot:
            raise RuntimeError("nothing there")

    async def steps(player: Player) -> None:
        await player.until(lambda: player.app.fault is not None)
        assert player.app.return_code == 1
        assert player.app._exit_renderables == []

    with pytest.raises(RuntimeError, match="nothing there"):
        play(steps, stage, FailingReader([snapshot()]))
