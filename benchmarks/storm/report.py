"""The report of the storms: JSON for programs, tables for people."""

import json
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from benchmarks.figures import Figure
from benchmarks.storm.account import Account
from benchmarks.storm.contenders import CONTENDERS, PENSTOCK
from benchmarks.storm.model import Storm

STEADY, RESTART = "Postgres stays up", "Postgres is restarted in the middle"
"""The two runs of each contender."""

HEADINGS: Final = (
    "requests",
    "failed",
    "p50 ms",
    "p99 ms",
    "most connections",
    "lost",
    "twice",
    "failed, but written",
    "row after answer, p99 s",
    "last row, s",
)
_LIBRARIES: Final = ("psycopg", "SQLAlchemy", "boto3")


@dataclass(slots=True)
class StormReport:
    """All results of a run.

    Attributes:
        storm: the load.
        servers: the versions of Postgres and PgBouncer.
        accounts: the accounts of each run, by contender.
    """

    storm: Storm
    servers: Mapping[str, str]
    accounts: dict[str, dict[str, Account]] = field(default_factory=dict)

    @property
    def figures(self) -> list[Figure]:
        """What Penstock promises, as figures with targets."""
        return [
            figure
            for run, accounts in self.accounts.items()
            if PENSTOCK in accounts
            for figure in _promises(run, accounts[PENSTOCK])
        ]

    @property
    def conditions(self) -> str:
        """The machine and the versions, in one line."""
        libraries = {name: version(name) for name in _LIBRARIES}
        return ", ".join(f"{name} {value}" for name, value in {**_machine(), **self.servers, **libraries}.items())

    def as_json(self) -> dict[str, Any]:
        """Return all results."""
        return {
            "conditions": self.conditions,
            "storm": asdict(self.storm),
            "runs": {
                run: {name: account.as_json() for name, account in accounts.items()}
                for run, accounts in self.accounts.items()
            },
            "figures": [figure.as_json() for figure in self.figures],
        }

    def write(self, path: Path) -> None:
        """Write the report as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.as_json(), indent=2) + "\n")

    def show(self, console: Console) -> None:
        """Print the tables."""
        console.print(self.conditions)
        for run, accounts in self.accounts.items():
            table = Table("", title=run, title_justify="left")
            for heading in HEADINGS:
                table.add_column(heading, justify="right")
            for row in rows(accounts):
                table.add_row(*row)
            console.print(table)


def rows(accounts: Mapping[str, Account]) -> Iterator[Sequence[str]]:
    """Yield a row for each contender: its title, and a value for each of `HEADINGS`."""
    for name, account in accounts.items():
        yield (
            CONTENDERS[name].title,
            f"{account.requests:,}",
            f"{account.failed:,}",
            f"{account.p50 * 1000:,.1f}",
            f"{account.p99 * 1000:,.1f}",
            f"{account.most} of {account.budget}" if account.budget else str(account.most),
            f"{account.lost:,}",
            f"{account.twice:,}",
            f"{account.despite:,}",
            f"{account.row_p99:.2f}",
            f"{account.last_row:.1f}",
        )


def _promises(run: str, account: Account) -> Iterator[Figure]:
    for name, value, most in (
        ("failed requests", account.failed, 0),
        ("rows lost", account.lost, 0),
        ("rows written twice", account.twice, 0),
        ("most connections", account.most, account.budget),
    ):
        yield Figure(f"Penstock, {name}: {run}", value, unit="", at_most=most)


def _machine() -> dict[str, Any]:
    return {"cpus": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()}
