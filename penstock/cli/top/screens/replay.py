"""Replaying dead letters: how many first, a yes, and then the progress as it happens."""

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar, Final

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen, Screen
from textual.widgets import Checkbox, Footer, Input, Label, Static

from penstock.cli.operate.canary_replay import CanaryReplay, Phase, Progress
from penstock.cli.support.output import escape_control, format_counts
from penstock.cli.top.screens.dialogs import DIALOG_CSS, Confirm
from penstock.cli.top.session import Session
from penstock.cli.top.style import BAD, DIM, FAINT, GOOD, TEXT, WARN
from penstock.cli.top.threads import Stop
from penstock.cli.top.widgets.facts import bar
from penstock.cli.top.wording import Chosen, reason_of
from penstock.deadletters import Plan

_CANARY: Final = 10
_CANARY_SECONDS: Final = 60.0
_PHASES: Final = (
    (Phase.CANARY, "send the canary"),
    (Phase.WAITING, "wait for its outcomes in the ledger"),
    (Phase.REST, "send the rest"),
)
_LONGEST_BAR: Final = 60


def start_replay(app: App[None], session: Session, chosen: Chosen) -> None:
    """Ask how to replay dead letters, ask again whether to do it, and show the replay."""

    def on_confirmed(wanted: CanaryReplay, answer: bool | None) -> None:
        if answer:
            app.push_screen(ReplayScreen(session, chosen, wanted))

    async def confirm(wanted: CanaryReplay) -> None:
        details = "\n\n".join([describe(chosen, wanted), *await _obstacles(session)])
        app.push_screen(Confirm(f"Replay {chosen.name}?", details), lambda answer: on_confirmed(wanted, answer))

    def on_wanted(wanted: CanaryReplay | None) -> None:
        if wanted:
            app.run_worker(confirm(wanted), exit_on_error=False)

    plan = Plan(selector=chosen.selector)
    if chosen.count == 1:
        on_wanted(CanaryReplay(plan, canary=1, rest=False, seconds=_CANARY_SECONDS))
    else:
        app.push_screen(ReplayForm(chosen, plan), on_wanted)


async def _obstacles(session: Session) -> list[str]:
    """Return what stands in the way of a replay, and what of that is not known."""
    try:
        state = await session.threads.call(lambda: session.stage().drain_state())
    except Exception as error:  # noqa: BLE001 (whatever the reason, the replay may go on)
        return [f"Not known: whether the drain is on: {reason_of(error)}"]
    return [f"Careful: {one}" for one in state.obstacles] + [f"Not known: {one}" for one in state.unread]


def describe(chosen: Chosen, wanted: CanaryReplay) -> str:
    """Return what a replay will do."""
    if chosen.count == 1:
        sends = "It is sent back to the queue"
    else:
        first = f"{wanted.canary:,} of about {chosen.count:,} are sent back to the queue"
        then = (
            "the rest follows if every one of them takes effect within" if wanted.rest else "the rest stays. Up to"
        )
        sends = f"{first}; {then} {wanted.seconds:g} s" + ("" if wanted.rest else " are spent on their outcomes")
    rate = f", {wanted.plan.rate:g} per second at most" if wanted.plan.rate else ""
    return f"{sends}{rate}. The replay is on record. An intent that is sent twice takes effect once."


class ReplayForm(ModalScreen[CanaryReplay | None]):
    """Asks how many are sent first, and whether the rest follows."""

    DEFAULT_CSS = (
        DIALOG_CSS.format(name="ReplayForm")
        + """
    ReplayForm Input { margin: 0; height: 1; border: none; background: $background; }
    ReplayForm Checkbox { margin: 1 0; border: none; background: $surface; padding: 0; }
    """
    )
    AUTO_FOCUS = "Input"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "cancel", "cancel")]

    def __init__(self, chosen: Chosen, plan: Plan) -> None:
        super().__init__()
        self._chosen = chosen
        self._plan = plan

    def compose(self) -> ComposeResult:
        """List the fields."""
        with VerticalScroll(classes="window"):
            yield Label(Text(f"Replay {self._chosen.name}", f"bold {TEXT}"))
            yield Label(Text(f"about {self._chosen.count:,} dead letters\n", DIM))
            yield Label(Text("canary: how many are sent first", DIM))
            yield Input(f"{min(_CANARY, self._chosen.count)}", type="integer", id="canary", compact=True)
            yield Checkbox("then the rest, if every canary takes effect", value=True, id="rest", compact=True)
            yield Label(Text("seconds to wait for the canary", DIM))
            yield Input(f"{_CANARY_SECONDS:g}", type="number", id="seconds", compact=True)
            yield Label(Text("\nper second at most; empty for no limit", DIM))
            yield Input("", type="number", id="rate", compact=True)
            yield Static("", id="problem", markup=False)
            yield Label(Text("enter  go on     escape  cancel", DIM))

    def on_input_submitted(self) -> None:
        """Close with the replay, if the numbers are good ones."""
        canary, seconds, rate = (self._number(name) for name in ("canary", "seconds", "rate"))
        problem = self.query_one("#problem", Static)
        if canary is None or canary < 1:
            problem.update(Text("The canary is at least 1.", BAD))
        elif seconds is None or seconds < 1:
            problem.update(Text("Wait for the canary for at least 1 second.", BAD))
        elif self._text("rate") and (rate is None or rate <= 0):
            problem.update(Text("The rate is a number above 0, or empty.", BAD))
        else:
            rest = self.query_one("#rest", Checkbox).value
            self.dismiss(
                CanaryReplay(replace(self._plan, rate=rate), canary=int(canary), rest=rest, seconds=seconds)
            )

    def action_cancel(self) -> None:
        """Close without a replay."""
        self.dismiss(None)

    def _text(self, name: str) -> str:
        return self.query_one(f"#{name}", Input).value.strip()

    def _number(self, name: str) -> float | None:
        try:
            return float(self._text(name))
        except ValueError:
            return None


class ReplayScreen(Screen[None]):
    """A replay while it runs, and how it ended."""

    DEFAULT_CSS = "ReplayScreen VerticalScroll { padding: 0 1; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "stop", "stop"),
        Binding("escape", "back", "back"),
    ]

    def __init__(self, session: Session, chosen: Chosen, wanted: CanaryReplay) -> None:
        """Take what to replay; it begins when the screen is shown."""
        super().__init__()
        self._session = session
        self._chosen = chosen
        self._wanted = wanted
        self._progress: Progress | None = None
        self._stopping: Stop | None = None
        self._ended: tuple[str, str] | None = None
        self._drawn = Static(markup=False)

    def compose(self) -> ComposeResult:
        """Show the progress alone."""
        with VerticalScroll():
            yield self._drawn
        yield Footer()

    def on_mount(self) -> None:
        """Begin."""
        self._draw()
        self.run_worker(self._replay(), exit_on_error=False)

    def action_stop(self) -> None:
        """Stop after the current page; what was sent stays sent."""
        if self._stopping is not None and not self._ended:
            self._stopping.set()
            self._drawn.update(self._text().append("\nstopping …", WARN))

    def action_back(self) -> None:
        """Leave the screen, once the replay is over."""
        if self._ended:
            self.dismiss(None)
        else:
            self.notify("The replay is running: s stops it.", markup=False)

    async def _replay(self) -> None:
        try:
            progress = await self._session.threads.call_with_stop(self._run)
        except Exception as error:  # noqa: BLE001 (shown)
            self._ended = (reason_of(error), BAD)
        else:
            self._progress = progress
            self._ended = _end_of(progress)
        self._draw()

    def _run(self, stop: Stop) -> Progress:
        self._stopping = stop
        return self._session.stage().replay(
            self._wanted, on_progress=lambda progress: stop.tell(self._show, progress), stopping=stop.wait
        )

    def _show(self, progress: Progress) -> None:
        self._progress = progress
        self._draw()

    def _draw(self) -> None:
        self._drawn.update(self._text())

    def _text(self) -> Text:
        return draw_replay(self._chosen, self._wanted, self._progress, self._ended, self.size.width)


def draw_replay(
    chosen: Chosen, wanted: CanaryReplay, progress: Progress | None, ended: tuple[str, str] | None, width: int
) -> Text:
    """Draw a replay.

    Args:
        chosen: the dead letters.
        wanted: what was asked for.
        progress: how far it is; None if it has not begun.
        ended: how it ended, and the colour of it; None if it runs.
        width: the columns of the screen.
    """
    drawn = Text(f"replay  {chosen.name}\n", f"bold {TEXT}")
    drawn.append(f"operation {progress.operation}\n\n" if progress else "connecting …\n\n", f"not bold {DIM}")
    for phase, name in _PHASES:
        if phase != Phase.REST or wanted.rest:
            drawn.append(*_step(phase, name, progress, over=ended is not None))
    if progress:
        drawn.append("\n").append(_read(progress, min(width - 30, _LONGEST_BAR)))
        drawn.append(f"\nsent so far: {_counts(progress.counts, 'nothing')}", TEXT)
        if progress.canary is not None:
            drawn.append(f"\ncanary: {_counts(progress.canary, 'nothing sent')}", TEXT)
    if ended:
        drawn.append(f"\n\n{ended[0]}", ended[1])
    return drawn


def _step(phase: Phase, name: str, progress: Progress | None, *, over: bool) -> tuple[str, str]:
    order = [one for one, _ in _PHASES] + [Phase.DONE]
    at = order.index(progress.phase) if progress else -1
    mine = order.index(phase)
    if mine < at:
        return f"✓ {name}\n", GOOD
    if mine == at and not over:
        return f"● {name} …\n", WARN
    return f"○ {name}\n", FAINT


def _read(progress: Progress, width: int) -> Text:
    share = progress.read / progress.total if progress.total else 1.0
    return bar(share, max(width, 6), GOOD).append(f" {progress.read:,} of about {progress.total:,} read", DIM)


def _counts(counts: Mapping[str, int], nothing: str) -> str:
    return escape_control(format_counts(counts, nothing))


def _end_of(progress: Progress) -> tuple[str, str]:
    """Return how a replay ended, and the colour of it."""
    if progress.stopped == "OutOfTime":
        return "Stopped. What was sent stays sent; the rest are still dead letters.", WARN
    if progress.stopped:
        return f"Stopped: SQS refuses every request ({progress.stopped}). Try again later.", BAD
    if set(progress.counts) - {"replayed"}:
        return (
            "Over. What was not replayed is still a dead letter, or on both queues; an intent takes effect once.",
            WARN,
        )
    return "Done. Escape goes back; read the causes again to see what is left.", GOOD
