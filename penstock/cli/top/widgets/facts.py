"""The facts below the charts: what is waited for, what expires, connections, tenants, and the causes of death."""

from collections.abc import Iterator
from typing import Final

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text
from textual.widget import Widget

from penstock.cli.status.command import lines_of
from penstock.cli.status.snapshot import Snapshot
from penstock.cli.support.output import escape_control, format_duration
from penstock.cli.support.waiting import describe_waiting, waits_for_a_deployment
from penstock.cli.top.style import BAD, BREAKER, DIM, FAINT, GOOD, TEXT, WARN
from penstock.cli.top.tenants import Tenants
from penstock.database.ledger_stats import LedgerStats

_WIDE: Final = 120
_LABEL: Final = 11
_DRAWN_OTHERWISE: Final = {"waiting for", "dead letters", "connections", "breaker", "drain", "emit to commit"}
"""The lines of `penstock status` that the charts, the bars or a colour show."""
_LONGEST_BAR: Final = 40
_SOON: Final = 0.25
"""Below this share of the retention, the first expiry is a warning."""
_VERY_SOON: Final = 0.1
_NEARLY_USED: Final = 0.8


class Facts(Widget):
    """The facts of the newest snapshot: one column, or two on a wide screen."""

    DEFAULT_CSS = "Facts { height: auto; padding: 0 1; }"

    def __init__(self) -> None:
        super().__init__()
        self._snapshot: Snapshot | None = None
        self._tenants: Tenants | None = None

    def show(self, snapshot: Snapshot, tenants: Tenants | None) -> None:
        """Show the facts of a snapshot, and what is known of tenants."""
        self._snapshot, self._tenants = snapshot, tenants
        self.refresh(layout=True)

    def render(self) -> RenderableType:
        """Draw the facts."""
        if self._snapshot is None:
            return Text()
        return draw_facts(self._snapshot, self._tenants, self.content_region.width)


def draw_facts(snapshot: Snapshot, tenants: Tenants | None, width: int) -> RenderableType:
    """Draw the facts of a snapshot for a number of columns."""
    now, causes = _now(snapshot, tenants, width // 2 if width >= _WIDE else width), _causes(snapshot.figures)
    if width < _WIDE:
        both = Table.grid(expand=True)
        both.add_row(now)
        both.add_row(Text())
        both.add_row(causes)
        return both
    both = Table.grid(expand=True, padding=(0, 2))
    both.add_column(ratio=1)
    both.add_column(ratio=1)
    both.add_row(now, causes)
    return both


def bar(share: float, width: int, colour: str) -> Text:
    """Draw a share, from 0 to 1, as a bar."""
    filled = round(min(max(share, 0.0), 1.0) * width)
    return Text("━" * filled, colour).append("━" * (width - filled), FAINT)


def _now(snapshot: Snapshot, tenants: Tenants | None, width: int) -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column(width=_LABEL, no_wrap=True)
    table.add_column()
    room = min(max(width - _LABEL - 26, 6), _LONGEST_BAR)
    texts = lines_of(snapshot)
    table.add_row(Text("waits for", DIM), _waiting(snapshot, texts["waiting for"]))
    table.add_row(Text("1st expiry", DIM), _expiry(snapshot, texts["dead letters"], room))
    table.add_row(Text("connections", DIM), _connections(snapshot, texts["connections"], room))
    table.add_row(Text("breaker", DIM), _breaker(snapshot, texts["breaker"]))
    for name, text in texts.items():
        if name not in _DRAWN_OTHERWISE:
            table.add_row(Text(name, DIM), _plain(text))
    table.add_row(Text("tenants", DIM), _plain(tenants.describe() if tenants else "not read yet"))
    return table


def _plain(text: str) -> Text:
    return Text(text, BAD if text.startswith("not known") else TEXT)


def _waiting(snapshot: Snapshot, otherwise: str) -> Text:
    """Draw what intents wait for, a line for each cause; what waits for a person stands out."""
    causes = snapshot.figures.waiting if snapshot.figures else ()
    lines = [
        Text("● ", BAD if waits_for_a_deployment(cause) else WARN).append(
            describe_waiting(cause, snapshot.at.timestamp()), TEXT
        )
        for cause in causes
    ]
    return Text("\n").join(lines) if lines else _plain(otherwise)


def _expiry(snapshot: Snapshot, otherwise: str, width: int) -> Text:
    """Draw the time that is left until the first dead letter expires."""
    expires_at, retention = snapshot.first_expires_at, snapshot.retention
    if expires_at is None or not retention:
        return _plain(otherwise)
    left = (expires_at - snapshot.at).total_seconds()
    share = left / retention.total_seconds()
    colour = BAD if share < _VERY_SOON else WARN if share < _SOON else GOOD
    whole = format_duration(retention.total_seconds())
    return bar(share, width, colour).append(f" {_left(left)} of {whole} left", TEXT)


def _left(seconds: float) -> str:
    """Format a duration in its two largest units."""
    day, hour = 86_400, 3600
    if seconds >= day:
        return f"{int(seconds // day)}d {int(seconds % day // hour)}h"
    return format_duration(seconds)


def _connections(snapshot: Snapshot, otherwise: str, width: int) -> Text:
    if snapshot.figures is None:
        return _plain(otherwise)
    share = snapshot.figures.connections / snapshot.budget if snapshot.budget else 1.0
    colour = BAD if share > 1 else WARN if share > _NEARLY_USED else GOOD
    return bar(share, width, colour).append(f" {otherwise}", TEXT)


def _breaker(snapshot: Snapshot, text: str) -> Text:
    if snapshot.breaker is None:
        return _plain(text)
    return Text(text, BREAKER.get(snapshot.breaker.position, BAD))


def _causes(figures: LedgerStats | None) -> RenderableType:
    """Draw why intents died, as the ledger has it."""
    if figures is None:
        return Text("causes of dead intents: not known, because the ledger cannot be read", BAD)
    if not figures.causes:
        return Text("no dead intents in the last 14 days, other than replayed or purged ones", DIM)
    table = Table(
        title=f"{figures.dead_in_all:,} dead intents of the last 14 days, by cause",
        title_justify="left",
        title_style=DIM,
        header_style=DIM,
        box=None,
        pad_edge=False,
        expand=True,
    )
    table.add_column("count", justify="right", no_wrap=True, min_width=5)
    for name in ("kind", "cause", "constraint"):
        table.add_column(name, overflow="ellipsis", no_wrap=True)
    for cause in figures.causes:
        reason = " ".join(str(one) for one in (cause.reason, cause.sqlstate) if one)
        known = (cause.kind, reason or None, cause.constraint)
        table.add_row(f"{cause.count:,}", *(Text(one, TEXT) for one in _escaped(known)))
    return table


def _escaped(values: tuple[str | None, ...]) -> Iterator[str]:
    yield from (escape_control(value) for value in values)
