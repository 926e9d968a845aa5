"""The report: tables for people, JSON for programs."""

import json
import os
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmarks.drain.rounds import Timing
from benchmarks.figures import VERDICTS, Figure, write_page


@dataclass(slots=True)
class DrainReport:
    """All results of a run.

    Attributes:
        settings: the settings of Postgres, by name.
        ledger_rows: the number of rows of the full ledger; 0 if its scenarios were skipped.
        comparison: the timings of all contenders, by records per event, then by contender.
        scenarios: the timings of Penstock's scenarios, by name.
        figures: the figures that follow from the timings.
    """

    settings: Mapping[str, str]
    ledger_rows: int
    comparison: dict[int, Mapping[str, Timing]] = field(default_factory=dict)
    scenarios: Mapping[str, Timing] = field(default_factory=dict)
    figures: list[Figure] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return all results."""
        return {
            "machine": _machine(),
            "postgres": dict(self.settings),
            "ledger_rows": self.ledger_rows,
            "race": {str(size): _timings(timings) for size, timings in self.comparison.items()},
            "alone": _timings(self.scenarios),
            "figures": [figure.as_json() for figure in self.figures],
        }

    def write(self, path: Path) -> None:
        """Write the report as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.as_json(), indent=2) + "\n")

    def write_markdown(self, path: Path) -> None:
        """Write the figures as a Markdown page."""
        introduction = f"Written by `make bench-drain`: {self._conditions()}."
        write_page(path, "Figures", introduction, self.figures)

    def show(self, console: Console) -> None:
        """Print the report."""
        console.print(self._conditions())
        for size, timings in self.comparison.items():
            console.print(_timing_table(f"From the event to the commit, {size:,} records", timings))
        console.print(_timing_table("Penstock alone", self.scenarios))
        console.print(_figure_table(self.figures))

    def _conditions(self) -> str:
        conditions = {**_machine(), **self.settings, "rows in the full ledger": f"{self.ledger_rows:,}"}
        return ", ".join(f"{name} {value}" for name, value in conditions.items())


def _machine() -> dict[str, Any]:
    return {"cpus": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()}


def _timings(timings: Mapping[str, Timing]) -> dict[str, Any]:
    return {name: timing.as_json() for name, timing in timings.items()}


def _timing_table(title: str, timings: Mapping[str, Timing]) -> Table:
    table = Table("", title=title, title_justify="left")
    for heading in ("bytes each", "rounds", "fastest ms", "median ms", "slowest ms", "records/s"):
        table.add_column(heading, justify="right")
    for name, timing in timings.items():
        spread = (min(timing.seconds), timing.median, max(timing.seconds))
        milliseconds = (f"{seconds * 1000:,.1f}" for seconds in spread)
        table.add_row(
            name, f"{timing.body_bytes:.0f}", str(len(timing.seconds)), *milliseconds, f"{timing.rate:,.0f}"
        )
    return table


_STYLES = {True: "green", False: "yellow", None: ""}


def _figure_table(figures: Iterable[Figure]) -> Table:
    table = Table("figure", title="Figures and targets", title_justify="left")
    for heading in ("measured", "target", ""):
        table.add_column(heading, justify="right")
    for figure in figures:
        verdict = Text(VERDICTS[figure.reached], _STYLES[figure.reached])
        table.add_row(figure.name, figure.measured, figure.target, verdict)
    return table
