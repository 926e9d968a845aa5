"""The dead letters of one cause."""

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType

from penstock.cli.operate.causes import Cause, words_of
from penstock.cli.operate.letters import Letter
from penstock.cli.support.errors import Failure
from penstock.cli.support.output import format_duration
from penstock.cli.top.screens.letter import LetterScreen
from penstock.cli.top.screens.list_screen import LIST_BINDINGS, ListScreen, Row
from penstock.cli.top.screens.replay import start_replay
from penstock.cli.top.screens.trial import TrialScreen
from penstock.cli.top.session import Session
from penstock.cli.top.tenants import count_tenants
from penstock.cli.top.widgets.listing import Column
from penstock.cli.top.wording import Chosen, chosen_cause, chosen_letter, name_of, reason_of


class LettersScreen(ListScreen):
    """Dead letters that were read with the causes: nothing is read again."""

    COLUMNS: ClassVar[Sequence[Column]] = (
        Column("intent", 14, grows=2),
        Column("age", 5, rank=1, right=True),
        Column("expires", 7, rank=1, right=True),
        Column("receives", 8, rank=4, right=True),
        Column("replays", 7, rank=3, right=True),
        Column("tenant", 12, grows=1, rank=2),
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("t", "trial", "trial"),
        Binding("p", "replay", "replay the cause"),
        *LIST_BINDINGS,
    ]

    def __init__(self, session: Session, cause: Cause, letters: Sequence[Letter]) -> None:
        """Take the cause, and those of its dead letters that were kept."""
        super().__init__(session)
        self._cause = cause
        self._letters = {letter.message_id: letter for letter in letters}

    def start(self) -> None:
        """Show the dead letters."""
        self.head(name_of(self._cause), self._cause.detail or "")
        now = self._session.now()
        self.fill([_row(letter, now, fifo=self._session.stage().dead.fifo) for letter in self._letters.values()])
        self.say(self._summary())

    def open(self, key: str) -> None:
        """Show one dead letter."""
        self.app.push_screen(LetterScreen(self._session, self._letters[key]))

    def action_trial(self) -> None:
        """Show what the drain would do now with the selected dead letter."""
        if self.selected is not None:
            chosen = chosen_letter(self._letters[self.selected])
            self.app.push_screen(TrialScreen(self._session, chosen))

    def action_replay(self) -> None:
        """Ask how to replay the whole cause."""
        if chosen := self._chosen():
            start_replay(self.app, self._session, chosen)

    def _chosen(self) -> Chosen | None:
        try:
            return chosen_cause(self._cause)
        except Failure as error:
            self.say(reason_of(error), bad=True)
            return None

    def _summary(self) -> str:
        kept, all_ = len(self._letters), self._cause.count
        lines = [f"{kept:,} dead letters." if kept == all_ else f"The first {kept:,} of {all_:,} dead letters."]
        if kept < all_ and (words := words_of(self._cause.key)):
            lines.append(f"`penstock dlq list {' '.join(words)}` has all of them.")
        if tenants := count_tenants(self._letters.values(), fifo=self._session.stage().dead.fifo):
            lines.append(f"Tenants: {tenants}.")
        return " ".join(lines)


def _row(letter: Letter, now: float, *, fifo: bool) -> Row:
    return letter.message_id, (
        letter.id or "-",
        format_duration(now - letter.sent_at),
        format_duration(letter.expires_at - now),
        f"{letter.receive_count}",
        f"{letter.replays}",
        "-" if fifo else letter.group or "-",
    )
