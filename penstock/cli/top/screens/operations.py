"""What operators did with the stage, as the database has it on record."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import ClassVar, Final

from rich.text import Text
from textual.binding import Binding, BindingType

from penstock.cli.support.output import format_counts, format_duration
from penstock.cli.top.screens.list_screen import LIST_BINDINGS, ListScreen, Row
from penstock.cli.top.session import Session
from penstock.cli.top.style import BAD, GOOD, WARN
from penstock.cli.top.widgets.listing import Column
from penstock.database.operations import DONE, FAILED, OperationRecord

_MOST: Final = 200
_COLOURS: Final = {DONE: GOOD, FAILED: BAD}


class OperationsScreen(ListScreen):
    """The operations, the newest first."""

    COLUMNS: ClassVar[Sequence[Column]] = (
        Column("ago", 4, right=True),
        Column("action", 10, grows=1),
        Column("outcome", 11, rank=1),
        Column("counts", 12, grows=2, rank=2),
        Column("by", 10, grows=1, rank=3),
        Column("operation", 36, rank=4),
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "read_again", "read again"),
        *LIST_BINDINGS,
    ]

    def __init__(self, session: Session) -> None:
        """Take the stage whose records are read when the screen is shown."""
        super().__init__(session)

    def start(self) -> None:
        """Read the records."""
        self.head("operations", "replays, purges and the breaker, the newest first")
        self.say("reading …")
        self.read(self._session.threads.call(lambda: self._session.stage().operations(_MOST)), self._show)

    def action_read_again(self) -> None:
        """Read the records once more."""
        self.start()

    def _show(self, found: Sequence[OperationRecord]) -> None:
        now = datetime.now(UTC)
        self.fill([_row(one, now) for one in found])
        first = f"The newest {_MOST} operations." if len(found) == _MOST else f"{len(found)} operations."
        self.say(f"{first} One without an outcome is running, or was killed.")


def _row(one: OperationRecord, now: datetime) -> Row:
    outcome = Text(one.outcome or "running?", _COLOURS.get(one.outcome or "", WARN))
    ago = format_duration((now - one.begun_at).total_seconds())
    return str(one.id), (ago, one.action, outcome, format_counts(one.counts or {}, "-"), one.actor, str(one.id))
