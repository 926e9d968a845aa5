"""The report: tables for people, JSON for programs."""

import json
import os
import platform
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmarks.drain.rounds import Timing
from benchmarks.drain.usage import Usage
from benchmarks.figures import VERDICTS, Figure, figure_table, markdown_table

MILLION: Final = 1_000_000
SPEED_HEADING: Final = "Records per second, "
"""What a heading of the page begins with; the name of the place follows."""
USAGE_HEADING: Final = "What a million records cost"
DISTURBED: Final = (
    "The machine had other work during this run, so these figures vary. Do not quote them: measure again."
)
USAGE_HEADS: Final = ("client, processor s", "server, processor s", "WAL, MiB")


@dataclass(slots=True)
class DrainReport:
    """All results of a run.

    Attributes:
        settings: the settings of Postgres, by name.
        ledger_rows: the number of rows of the full ledger; 0 if its scenarios were skipped.
        comparison: the timings of all contenders, by place, then by records per event, then by contender.
        usage: what a record costs each contender, by records per event, then by contender.
        scenarios: the timings of Penstock's scenarios, by name.
        figures: the figures that follow from the timings.
        load: the load average of the machine when the run begins. Other work makes the figures vary.
    """

    settings: Mapping[str, str]
    ledger_rows: int
    comparison: dict[str, dict[int, Mapping[str, Timing]]] = field(default_factory=dict)
    usage: dict[int, Mapping[str, Usage]] = field(default_factory=dict)
    scenarios: Mapping[str, Timing] = field(default_factory=dict)
    figures: list[Figure] = field(default_factory=list)
    load: float = field(default_factory=lambda: os.getloadavg()[0])

    @property
    def disturbed(self) -> bool:
        """Whether the machine had other work than this run when it began: more than half of its processors."""
        return self.load > (os.cpu_count() or 1) / 2

    def as_json(self) -> dict[str, Any]:
        """Return all results."""
        return {
            "machine": _machine(),
            "postgres": dict(self.settings),
            "load": self.load,
            "ledger_rows": self.ledger_rows,
            "race": {
                place: {str(size): _timings(timings) for size, timings in sizes.items()}
                for place, sizes in self.comparison.items()
            },
            "usage": {
                str(size): {name: usage.as_json() for name, usage in usages.items()}
                for size, usages in self.usage.items()
            },
            "alone": _timings(self.scenarios),
            "figures": [figure.as_json() for figure in self.figures],
        }

    def write(self, path: Path) -> None:
        """Write the report as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.as_json(), indent=2) + "\n")

    def write_markdown(self, path: Path) -> None:
        """Write the page of the figures."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n\n".join(self._page()) + "\n")

    def show(self, console: Console) -> None:
        """Print the report."""
        console.print(self._conditions())
        if self.disturbed:
            console.print(DISTURBED)
        for place, sizes in self.comparison.items():
            for size, timings in sizes.items():
                console.print(_timing_table(f"From the event to the commit, {size:,} records, {place}", timings))
        console.print(_timing_table("Penstock alone", self.scenarios))
        for size, usages in self.usage.items():
            console.print(_usage_table(f"A million records, in events of {size:,}", usages))
        console.print(_figure_table(self.figures))

    def _page(self) -> Iterator[str]:
        yield "# Figures of the drain"
        yield f"Written by `make bench-drain`: {self._conditions()}. [engine.md](engine.md#figures) explains them."
        if self.disturbed:
            yield DISTURBED
        yield figure_table(self.figures)
        for place, sizes in self.comparison.items():
            yield f"## {SPEED_HEADING}{place}"
            yield _speeds(sizes)
        yield f"## {USAGE_HEADING}"
        yield _usages(self.usage)

    def _conditions(self) -> str:
        conditions = {
            **_machine(),
            "load at the beginning": f"{self.load:.1f}",
            **self.settings,
            "rows in the full ledger": f"{self.ledger_rows:,}",
        }
        return ", ".join(f"{name} {value}" for name, value in conditions.items())


def _speeds(sizes: Mapping[int, Mapping[str, Timing]]) -> str:
    """Return a table of records per second. A field is empty where a contender is left out."""
    names = list(dict.fromkeys(name for timings in sizes.values() for name in timings))
    rows = [
        [f"{size:,}", *(f"{timings[name].rate:,.0f}" if name in timings else "" for name in names)]
        for size, timings in sizes.items()
    ]
    return markdown_table(["records in an event", *names], rows)


def _usages(sizes: Mapping[int, Mapping[str, Usage]]) -> str:
    rows = [
        [f"{size:,}", name, *_usage_cells(usage)]
        for size, usages in sizes.items()
        for name, usage in usages.items()
    ]
    return markdown_table(["records in an event", "contender", *USAGE_HEADS], rows)


def _usage_cells(usage: Usage) -> list[str]:
    server = "" if usage.server is None else f"{usage.server * MILLION:,.1f}"
    return [f"{usage.client * MILLION:,.1f}", server, f"{usage.wal * MILLION / 2**20:,.0f}"]


def _usage_table(title: str, usages: Mapping[str, Usage]) -> Table:
    table = Table("", title=title, title_justify="left")
    for heading in USAGE_HEADS:
        table.add_column(heading, justify="right")
    for name, usage in usages.items():
        table.add_row(name, *_usage_cells(usage))
    return table


def _machine() -> dict[str, Any]:
    return {"cpus": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()}


def _timings(timings: Mapping[str, Timing]) -> dict[str, Any]:
    return {name: timing.as_json() for name, timing in timings.items()}


def _timing_table(title: str, timings: Mapping[str, Timing]) -> Table:
    table = Table("", title=title, title_justify="left")
    for heading in ("bytes each", "events", "fastest ms", "median ms", "slowest ms", "records/s"):
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
