"""A plan as a tree of text: each node with its share of the time, its rows, and its blocks.

A node takes two lines or more, so that it fits a narrow terminal: what it does, and below that in numbers.
"""

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

from penstock.explain.plan import Node, Plan, TriggerTime
from penstock.explain.usage import Usage

_BAR: Final = 10
_WITH_BAR: Final = 60
"""In fewer columns than this there is no room for a bar."""
_LEAST_TEXT: Final = 20
_MOST_LINES: Final = 4
_SOME_SHARE: Final = 0.005
_MEGA: Final = 1_000_000
_KILO: Final = 1_000


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a tree.

    Attributes:
        lead: the branches of the tree before the text.
        text: the text.
        share: the node's own share of the time, from 0 to 1, on its first line.
        faint: whether the line is a detail.
    """

    lead: str
    text: str
    share: float | None = None
    faint: bool = False


@dataclass(frozen=True, slots=True)
class Strokes:
    """The characters that a tree is drawn with."""

    fork: str = "├─ "
    last: str = "└─ "
    pipe: str = "│  "
    full: str = "█"
    empty: str = "░"
    dot: str = " · "


ASCII: Final = Strokes("|- ", "`- ", "|  ", "#", ".", ", ")
"""For an output whose encoding has no other characters."""


def strokes_for(encoding: str | None) -> Strokes:
    """Return the characters to draw with on an output of an encoding."""
    return Strokes() if (encoding or "").lower().startswith("utf") else ASCII


def draw(plan: Plan, width: int, strokes: Strokes) -> list[Line]:
    """Draw a plan.

    Args:
        plan: the plan.
        width: the columns of the terminal; a name that is longer than a line runs over.
        strokes: the characters to draw with.
    """
    nodes = _node(plan, plan.root, "", "", width, strokes)
    triggers = (Line("", trigger_words(trigger), plan.share(trigger.ms)) for trigger in plan.triggers)
    return [*nodes, *triggers]


def format_share(share: float, strokes: Strokes, width: int) -> str:
    """Format a share in per cent, with a bar where there is room for it."""
    percent = f"{share:4.0%}" if share >= _SOME_SHARE else "   -"
    if width < _WITH_BAR:
        return percent
    full = round(share * _BAR)
    return f"{strokes.full * full}{strokes.empty * (_BAR - full)} {percent}"


def shortened(text: str, width: int) -> list[str]:
    """Return the first lines of a long text: the page and the JSON have all of it."""
    lines = _wrap(text, width)
    return lines if len(lines) <= _MOST_LINES else [*lines[: _MOST_LINES - 1], "..."]


def figures(node: Node, *, analyzed: bool) -> list[str]:
    """Return what a node did, in numbers."""
    if not analyzed:
        return [f"expects {format_count(node.planned_rows)} rows"]
    if not node.loops:
        return ["never executed"]
    loops = f", {node.loops:,} loops" if node.loops > 1 else ""
    own, total = node.own.ms, node.total.ms
    parts = [f"{format_ms(own)} of {format_ms(total)}" if node.children else format_ms(own)]
    if node.type not in {"Insert", "Update", "Delete", "Merge"} or node.rows:
        rows, expected = format_count((node.rows or 0) * node.loops), format_count(node.planned_rows * node.loops)
        parts.append(f"{rows} rows, expected {expected}{loops}")
    parts += [f"{format_count(node.removed)} rows dropped"] if node.removed else []
    return parts + usage_words(node.own)


def usage_words(usage: Usage) -> list[str]:
    """Return the blocks and the bytes that were used, without those of which there are none."""
    found = (("hit", usage.hit), ("read", usage.read), ("dirtied", usage.dirtied))
    blocks = ", ".join(f"{format_count(count)} {name}" for name, count in found if count >= 1)
    temporary = usage.temp_read + usage.temp_written
    return [
        *([f"blocks {blocks}"] if blocks else []),
        *([f"temporary blocks {format_count(temporary)}"] if temporary >= 1 else []),
        *([f"log {format_bytes(usage.wal_bytes)}"] if usage.wal_bytes >= 1 else []),
    ]


def details(node: Node) -> list[str]:
    """Return the conditions of a node, with their constants masked, and what else is known of it."""
    return [*(f"{name}: {condition}" for name, condition in node.conditions.items()), *node.notes]


def trigger_words(trigger: TriggerTime) -> str:
    """Return a trigger with its table, its calls and its time."""
    what = "constraint" if trigger.constraint else "trigger"
    on = f" on {trigger.table}" if trigger.table else ""
    return f"{what} {trigger.name}{on}: {format_ms(trigger.ms)}, {trigger.calls:,} calls"


def format_ms(ms: float) -> str:
    """Format milliseconds with three digits."""
    if ms >= _KILO:
        return f"{ms / _KILO:.3g} s" if ms < 10 * _KILO else f"{ms / _KILO:,.1f} s"
    return f"{ms:.3g} ms" if ms >= 1 else f"{ms:.2f} ms"


def format_count(count: float) -> str:
    """Format a number of rows or blocks."""
    return f"{count / _MEGA:.1f}M" if count >= _MEGA else f"{count:,.0f}"


def format_bytes(count: float) -> str:
    """Format a number of bytes."""
    if count >= _MEGA:
        return f"{count / _MEGA:.1f} MB"
    return f"{count / _KILO:.1f} kB" if count >= _KILO else f"{count:,.0f} B"


def _node(plan: Plan, node: Node, lead: str, below: str, width: int, strokes: Strokes) -> Iterator[Line]:  # noqa: PLR0917
    analyzed = plan.execution_ms is not None
    if analyzed and not node.loops:
        yield Line(lead, f"{node.name} (never executed)", faint=True)
        return
    inner = below + (strokes.pipe if node.children else "   ")
    share = plan.share(node.own.ms) if analyzed else None
    for number, part in enumerate(_wrap(node.name, width - len(inner))):
        yield Line(inner if number else lead, part, None if number else share)
    numbers = _packed(figures(node, analyzed=analyzed), width - len(inner), strokes.dot)
    conditions = (shortened(text, width - len(inner)) for text in details(node))
    for part in (*numbers, *chain.from_iterable(conditions)):
        yield Line(inner, part, faint=True)
    for number, child in enumerate(node.children, 1):
        is_last = number == len(node.children)
        yield from _node(
            plan,
            child,
            below + (strokes.last if is_last else strokes.fork),
            below + ("   " if is_last else strokes.pipe),
            width,
            strokes,
        )


def _wrap(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, max(_LEAST_TEXT, width))


def _packed(parts: Sequence[str], width: int, dot: str) -> list[str]:
    """Put parts on lines, as many on each as fit."""
    lines: list[str] = []
    for part in parts:
        if lines and len(lines[-1] + dot + part) <= width:
            lines[-1] += dot + part
        else:
            lines += _wrap(part, width)
    return lines
