"""The verdict on a stage, on top of the screen: one word, the reasons, and the next command."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from textual.geometry import Size
from textual.widget import Widget

from penstock.cli.status.snapshot import Snapshot
from penstock.cli.status.verdict import Reason, judge
from penstock.cli.support.output import escape_control
from penstock.cli.top.style import DIM, STATES, TEXT

_LOW_SCREEN = 20
_MOST_REASONS = 3
_NARROW = 64


class VerdictLine(Widget):
    """The verdict on the newest snapshot."""

    DEFAULT_CSS = "VerdictLine { height: auto; padding: 0 1; }"

    def __init__(self, stage_options: str) -> None:
        """Take the options of the stage, such as ` --stage dev`, that the next command needs."""
        super().__init__()
        self._stage_options = stage_options
        self._snapshot: Snapshot | None = None

    def show(self, snapshot: Snapshot) -> None:
        """Show the verdict on a snapshot."""
        self._snapshot = snapshot
        self.refresh(layout=True)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:  # noqa: ARG002 (Textual's)
        """Return the number of lines, for the height of the screen."""
        if self._snapshot is None:
            return 1
        verdict = judge(self._snapshot)
        most = 1 if viewport.height < _LOW_SCREEN else _MOST_REASONS
        return 1 + min(len(verdict.reasons), most) + (verdict.command is not None)

    def render(self) -> RenderableType:
        """Draw the lines into the room that they have."""
        if self._snapshot is None:
            return Text("reading …", DIM)
        room = self.content_size.height - 1 - (judge(self._snapshot).command is not None)
        return draw_verdict(self._snapshot, self._stage_options, max(1, room), self.content_size.width)


def draw_verdict(snapshot: Snapshot, stage_options: str, most: int, width: int) -> RenderableType:
    """Draw the verdict on a snapshot.

    Args:
        snapshot: the snapshot.
        stage_options: the options that name the stage, for the next command.
        most: the number of reasons to show.
        width: the columns of the screen.
    """
    verdict = judge(snapshot)
    colour = STATES[verdict.state]
    head = Table.grid(expand=True, padding=(0, 1))
    head.add_column(no_wrap=True)
    head.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    head.add_column(no_wrap=True)
    head.add_row(
        Text(f" {verdict.state} ", f"bold reverse {colour}"),
        Text(escape_control(snapshot.stack), f"bold {TEXT}"),
        Text(f"{snapshot.at:%H:%M:%S}{' UTC' if width >= _NARROW else ''}", DIM),
    )
    lines = [Text(text, colour, no_wrap=True, overflow="ellipsis") for text in _reasons(verdict.reasons, most)]
    if verdict.command:
        command = Text("next  ", DIM, no_wrap=True, overflow="ellipsis")
        lines.append(command.append(f"{verdict.command}{stage_options}", TEXT))
    return Group(head, *lines)


def _reasons(reasons: tuple[Reason, ...], most: int) -> list[str]:
    """Return the lines of the first reasons; the last line says how many more there are."""
    lines = [escape_control(reason.text) for reason in reasons[:most]]
    more = len(reasons) - most
    return [*lines[:-1], f"{lines[-1]} (and {more} more)"] if more > 0 and lines else lines
