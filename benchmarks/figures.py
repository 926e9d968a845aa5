"""A measured figure with its target, and a Markdown page of figures."""

from collections.abc import Iterable
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
    rows = [
        ("figure", "measured", "target", ""),
        ("---", "---:", "---:", "---"),
        *((figure.name, figure.measured, figure.target, VERDICTS[figure.reached]) for figure in figures),
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    path.write_text(f"# {heading}\n\n{introduction}\n\n{table}\n")
