"""A figure, and what it is to reach; and a page of figures."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

VERDICTS: Final = {True: "reached", False: "not reached", None: ""}
"""The verdicts on a figure."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of the report.

    Attributes:
        name: what it says.
        value: how much it is.
        unit: of what; `x` for a ratio.
        at_least: what it is to reach, if anything.
        at_most: what it is not to exceed, if anything.
    """

    name: str
    value: float
    unit: str = "x"
    at_least: float | None = None
    at_most: float | None = None

    @property
    def measured(self) -> str:
        """The value in words."""
        return f"{self.value:,.2f} {self.unit}"

    @property
    def target(self) -> str:
        """The target in words; nothing where there is none."""
        if self.at_least is not None:
            return f">= {self.at_least:g} {self.unit}"
        return f"<= {self.at_most:g} {self.unit}" if self.at_most is not None else ""

    @property
    def reached(self) -> bool | None:
        """Whether the target is reached; None where there is none."""
        if self.at_least is not None:
            return self.value >= self.at_least
        return self.value <= self.at_most if self.at_most is not None else None

    def as_json(self) -> dict[str, Any]:
        """Return all of it."""
        target = {"at_least": self.at_least, "at_most": self.at_most, "reached": self.reached}
        return {"name": self.name, "value": self.value, "unit": self.unit, **target}


def write_page(path: Path, heading: str, words: str, figures: Iterable[Figure]) -> None:
    """Write figures as a page of Markdown."""
    rows = [
        ("figure", "measured", "target", ""),
        ("---", "---:", "---:", "---"),
        *((figure.name, figure.measured, figure.target, VERDICTS[figure.reached]) for figure in figures),
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    path.write_text(f"# {heading}\n\n{words}\n\n{table}\n")
