"""The dead letters by cause, as one read of the dead-letter queue found them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import ClassVar, Final

from rich.text import Text
from textual.binding import Binding, BindingType

from penstock.cli.operate.causes import Cause, Survey
from penstock.cli.support.errors import Failure
from penstock.cli.support.output import format_duration
from penstock.cli.top.screens.letters import LettersScreen
from penstock.cli.top.screens.list_screen import LIST_BINDINGS, ListScreen, Row
from penstock.cli.top.screens.replay import start_replay
from penstock.cli.top.screens.trial import TrialScreen
from penstock.cli.top.session import Session
from penstock.cli.top.style import BAD, DIM, WARN
from penstock.cli.top.tenants import count_tenants
from penstock.cli.top.threads import Stop
from penstock.cli.top.widgets.listing import Column
from penstock.cli.top.wording import Chosen, chosen_cause, reason_of

KEPT: Final = 500
"""So many dead letters of each cause can be looked at without another read."""
_SOON_SECONDS: Final = 86_400
_LATER_SECONDS: Final = 3 * 86_400


class CausesScreen(ListScreen):
    """The causes, the largest first."""

    COLUMNS: ClassVar[Sequence[Column]] = (
        Column("count", 6, right=True),
        Column("kind", 12, grows=1),
        Column("cause", 14, grows=3, rank=1),
        Column("newest", 7, rank=3, right=True),
        Column("oldest", 7, rank=4, right=True),
        Column("expires", 7, rank=2, right=True),
        Column("fingerprint", 16, rank=5),
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("t", "trial", "trial"),
        Binding("p", "replay", "replay"),
        Binding("r", "read_again", "read again"),
        *LIST_BINDINGS,
    ]

    def __init__(self, session: Session) -> None:
        """Take the stage whose dead letters are read when the screen is shown."""
        super().__init__(session)
        self._survey: Survey | None = None

    def start(self) -> None:
        """Read the dead letters."""
        self.head("dead letters by cause", "reading them counts as one receive of each")
        self.say("Reading. Until the end, the dead letters are hidden from others.")
        self.read(self._session.threads.call_with_stop(self._read_survey), self._show)

    def action_read_again(self) -> None:
        """Read the dead letters once more."""
        self.start()

    def open(self, key: str) -> None:
        """Show the letters of a cause."""
        if cause := self._cause(key):
            letters = self._survey.letters.get(key, ()) if self._survey else ()
            self.app.push_screen(LettersScreen(self._session, cause, letters))

    def action_trial(self) -> None:
        """Show what the drain would do now with the selected cause."""
        if chosen := self._chosen():
            self.app.push_screen(TrialScreen(self._session, chosen))

    def action_replay(self) -> None:
        """Ask how to replay the selected cause."""
        if chosen := self._chosen():
            start_replay(self.app, self._session, chosen)

    def _read_survey(self, stop: Stop) -> Survey:
        read = 0

        def on_page(count: int) -> None:
            nonlocal read
            stop.check()
            read += count
            stop.tell(self.say, f"Reading: {read:,} so far. Until the end, they are hidden from others.")

        return self._session.stage().survey(KEPT, on_page)

    def _show(self, found: Survey) -> None:
        self._survey = found
        self.fill([_row(cause, self._session.now()) for cause in found.causes])
        self.head("dead letters by cause")
        at = datetime.fromtimestamp(self._session.now(), UTC)
        self.say(_summary(found, at, fifo=self._session.stage().dead.fifo))

    def _cause(self, key: str | None) -> Cause | None:
        return self._survey.cause(key) if self._survey and key is not None else None

    def _chosen(self) -> Chosen | None:
        """Return the selected cause, to do something with it; if that cannot be, say why."""
        cause = self._cause(self.selected)
        if cause is None:
            self.notify("No cause is selected yet.", markup=False)
            return None
        try:
            return chosen_cause(cause)
        except Failure as error:
            self.say(reason_of(error), bad=True)
            return None


def _row(cause: Cause, now: float) -> Row:
    left = cause.expires_at - now
    colour = BAD if left < _SOON_SECONDS else WARN if left < _LATER_SECONDS else DIM
    return cause.key, (
        f"{cause.count:,}",
        cause.kind or "-",
        cause.detail or cause.reason or f"moved by {cause.origin}",
        format_duration(now - cause.newest),
        format_duration(now - cause.oldest),
        Text(format_duration(left), colour),
        cause.key,
    )


def _summary(found: Survey, at: datetime, *, fifo: bool) -> str:
    """Return how the read went, and whose the dead letters are."""
    if not found.seen:
        return "There are no dead letters that can be read."
    lines = [f"Read {found.seen:,} at {at:%H:%M:%S} UTC, which counted as one receive of each."]
    if found.unseen:
        lines.append(f"About {found.unseen:,} more could not be read: another run has leased them.")
    if found.others:
        lines.append(f"{found.others:,} have causes beyond the first {len(found.causes):,}.")
    kept = [letter for letters in found.letters.values() for letter in letters]
    if tenants := count_tenants(kept, fifo=fifo):
        among = "" if len(kept) == found.seen else f", among {len(kept):,} of them"
        lines.append(f"Tenants{among}: {tenants}.")
    return " ".join(lines)
