"""What the drain would do now with some dead letters: a trial, in a transaction that is rolled back."""

from collections import Counter
from collections.abc import Sequence
from typing import ClassVar, Final

from rich.text import Text
from textual.binding import Binding, BindingType

from penstock.cli.support.output import escape_control, format_counts
from penstock.cli.top.screens.list_screen import LIST_BINDINGS, ListScreen, Row
from penstock.cli.top.screens.replay import start_replay
from penstock.cli.top.session import Session
from penstock.cli.top.style import BAD, DIM, GOOD, WARN
from penstock.cli.top.threads import Stop
from penstock.cli.top.widgets.listing import Column
from penstock.cli.top.wording import Chosen
from penstock.deadletters import Plan
from penstock.deadletters.replay.preview import Previewed

_MOST: Final = 200
"""So many dead letters of a cause are tried."""
_COLOURS: Final = {
    "applied": GOOD,
    "stale": GOOD,
    "duplicate": DIM,
    "left": DIM,
    "waits": WARN,
    "unknown": WARN,
}
"""The colour of what would become of a dead letter; any other is bad."""


class TrialScreen(ListScreen):
    """The outcome of each dead letter. Nothing is sent, and nothing is written."""

    COLUMNS: ClassVar[Sequence[Column]] = (
        Column("would be", 9),
        Column("why", 16, grows=3, rank=1),
        Column("intent", 12, grows=1, rank=2),
        Column("kind", 12, grows=1, rank=3),
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p", "replay", "replay"),
        Binding("r", "try_again", "try again"),
        *LIST_BINDINGS,
    ]

    def __init__(self, session: Session, chosen: Chosen) -> None:
        """Take the dead letters to try."""
        super().__init__(session)
        self._chosen = chosen

    def start(self) -> None:
        """Try the dead letters."""
        self.head("trial", self._chosen.name)
        self.say("Trying: the drain of this folder writes to the database, and rolls back …")
        self.read(self._session.threads.call_with_stop(self._try), self._show)

    def action_try_again(self) -> None:
        """Try once more."""
        self.start()

    def action_replay(self) -> None:
        """Ask how to replay what was tried."""
        start_replay(self.app, self._session, self._chosen)

    def _try(self, stop: Stop) -> list[Previewed]:
        plan = Plan(selector=self._chosen.selector)
        return self._session.stage().try_plan(plan, _MOST, lambda _: stop.check())

    def _show(self, found: list[Previewed]) -> None:
        self.fill([_row(one) for one in found])
        counts = format_counts(Counter(one.would for one in found), "no dead letter was found")
        first = (
            f"The first {_MOST} of about {self._chosen.count:,}: "
            if len(found) == _MOST < self._chosen.count
            else ""
        )
        self.say(f"{first}{counts}. Nothing was sent or written. This counted as one receive of each.")


def _row(one: Previewed) -> Row:
    would = Text(escape_control(one.would), _COLOURS.get(one.would, BAD))
    return one.message_id, (would, one.why or "", one.id or "-", one.kind or "-")
