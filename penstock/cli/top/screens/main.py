"""The first screen: the verdict, the history, and the facts of the stage now."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import Screen
from textual.widgets import Footer

from penstock.cli.status.snapshot import Snapshot
from penstock.cli.top.history import History
from penstock.cli.top.tenants import Tenants
from penstock.cli.top.widgets.facts import Facts
from penstock.cli.top.widgets.history_chart import HistoryChart
from penstock.cli.top.widgets.verdict import VerdictLine


class MainScreen(Screen[None]):
    """The state of the stage, drawn again for each snapshot. It receives no message."""

    DEFAULT_CSS = """
    MainScreen VerticalScroll { height: 1fr; scrollbar-size-vertical: 1; }
    MainScreen HistoryChart { margin: 1 0; }
    MainScreen.-low HistoryChart { margin: 0; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,c", "app.causes", "causes", key_display="enter"),
        Binding("b", "app.breaker", "breaker"),
        Binding("o", "app.operations", "operations"),
        Binding("r", "app.refresh_now", "refresh"),
    ]

    def __init__(self, history: History, stage_options: str) -> None:
        """Take the history, which the app adds to, and the options that name the stage."""
        super().__init__()
        self._verdict = VerdictLine(stage_options)
        self._chart = HistoryChart(history)
        self._facts = Facts()

    def compose(self) -> ComposeResult:
        """Put the verdict on top; what does not fit below it is scrolled."""
        yield self._verdict
        with VerticalScroll():
            yield self._chart
            yield self._facts
        yield Footer()

    def show(self, snapshot: Snapshot, tenants: Tenants | None) -> None:
        """Show a snapshot, and what is known of tenants."""
        self._verdict.show(snapshot)
        self._chart.show(snapshot)
        self._facts.show(snapshot, tenants)
