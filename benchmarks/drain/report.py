"""The report: a table for people, JSON for programs."""

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
class Report:
    """Everything that was measured.

    Attributes:
        settings: of Postgres, by name.
        ledger_rows: how many rows the full ledger had; 0 if it was skipped.
        race: by size, then by contender.
        alone: Penstock's scenarios, by name.
        figures: what follows, with the targets.
    """

    settings: Mapping[str, str]
    ledger_rows: int
    race: dict[int, Mapping[str, Timing]] = field(default_factory=dict)
    alone: Mapping[str, Timing] = field(default_factory=dict)
    figures: list[Figure] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return all of it."""
        return {
            "machine": _machine(),
            "postgres": dict(self.settings),
            "ledger_rows": self.ledger_rows,
            "race": {str(size): _timings(timings) for size, timings in self.race.items()},
            "alone": _timings(self.alone),
            "figures": [figure.as_json() for figure in self.figures],
        }

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.as_json(), indent=2) + "\n")

    def write_markdown(self, path: Path) -> None:
        """Write the figures as a page of Markdown."""
        words = f"Written by `make bench-drain`: {self._circumstances()}."
        write_page(path, "Figures", words, self.figures)

    def show(self, console: Console) -> None:
        """Print it."""
        console.print(self._circumstances())
        for size, timings in self.race.items():
            console.print(_timing_table(f"From the event to the commit, {size:,} records", timings))
        console.print(_timing_table("Penstock alone", self.alone))
        console.print(_figure_table(self.figures))

    def _circumstances(self) -> str:
        named = {**_machine(), **self.settings, "rows in the full ledger": f"{self.ledger_rows:,}"}
        return ", ".join(f"{name} {value}" for name, value in named.items())


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
    table = Table("figure", title="What it comes to", title_justify="left")
    for heading in ("measured", "target", ""):
        table.add_column(heading, justify="right")
    for figure in figures:
        verdict = Text(VERDICTS[figure.reached], _STYLES[figure.reached])
        table.add_row(figure.name, figure.measured, figure.target, verdict)
    return table
