"""A measured figure with its target, and Markdown pages of figures, written and read."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

VERDICTS: Final = {True: "reached", False: "not reached", None: ""}
"""The verdict on a figure, by whether it reached its target."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of a report.

    Attributes:
        name: what was measured.
        value: the measured value.
        unit: the unit of the value; `x` for a ratio.
        at_least: the lowest value that reaches the target; None for no such target.
        at_most: the highest value that reaches the target; None for no such target.
    """

    name: str
    value: float
    unit: str = "x"
    at_least: float | None = None
    at_most: float | None = None

    @property
    def measured(self) -> str:
        """The value with its unit."""
        return f"{self.value:,.2f} {self.unit}"

    @property
    def target(self) -> str:
        """The target with its unit; empty if there is none."""
        if self.at_least is not None:
            return f">= {self.at_least:g} {self.unit}"
        return f"<= {self.at_most:g} {self.unit}" if self.at_most is not None else ""

    @property
    def reached(self) -> bool | None:
        """Whether the target is reached; None if there is none."""
        if self.at_least is not None:
            return self.value >= self.at_least
        return self.value <= self.at_most if self.at_most is not None else None

    def as_json(self) -> dict[str, Any]:
        """Return the figure with its target and verdict."""
        target = {"at_least": self.at_least, "at_most": self.at_most, "reached": self.reached}
        return {"name": self.name, "value": self.value, "unit": self.unit, **target}


def write_page(path: Path, heading: str, introduction: str, figures: Iterable[Figure]) -> None:
    """Write figures as a Markdown page."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"# {heading}\n\n{introduction}\n\n{figure_table(figures)}\n")


def figure_table(figures: Iterable[Figure]) -> str:
    """Return figures with their targets and verdicts as a Markdown table."""
    rows = [(figure.name, figure.measured, figure.target, VERDICTS[figure.reached]) for figure in figures]
    return markdown_table(("figure", "measured", "target", ""), rows, rule=("---", "---:", "---:", "---"))


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]], rule: Sequence[str] | None = None) -> str:
    """Return a Markdown table.

    Args:
        head: the heading of each column.
        rows: the cells of each row.
        rule: the alignment of each column; by default all are aligned to the right, as numbers are.
    """
    lines = [head, rule or ["---:"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def read_table(page: str, heading: str) -> list[list[str]]:
    """Return the cells of the first table under a heading of a page, with its head and without the rule."""
    _, _, section = page.partition(f"\n## {heading}\n")
    found = re.search(r"(?:^\|.*\|\n)+", section, re.MULTILINE)
    assert found, f"there is no table under {heading!r}"
    head, _, *body = ([cell.strip() for cell in line.split("|")[1:-1]] for line in found[0].splitlines())
    return [head, *body]
