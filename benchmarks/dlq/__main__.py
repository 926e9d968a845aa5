"""`make bench-dlq`: what it takes to look at, replay and save many dead letters.

How to read it. Each operation runs in a process of its own against `benchmarks/dlq/sqs_stand_in.py`, which answers
each call after 5 ms, for any number of messages. All operations include the work of botocore, and share the
processors with that process, so compare ratios, not seconds.

    plain receive       16 threads receive tens until there is no more; what they got stays hidden for an hour
    ... and give back   the same, then every message is made visible again, which `stats` and `export` do as well
    plain third, all    16 threads receive tens, send them (or those of one kind) and delete them

None of the plain loops keeps account of anything: they lose what is refused, and delete what they no longer hold.
`penstock dlq ...` is the command itself, its start and its lines of JSON included.

A target that is missed is shown as such; the exit code is 0 whenever the measurement itself worked.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from benchmarks.dlq.runs import RUNS
from benchmarks.dlq.sqs_stand_in import DEAD, MAIN, refill, stand_in
from benchmarks.drain.memory import MIB
from benchmarks.figures import VERDICTS, Figure, write_page

AT_LEAST, AT_MOST_MIB = 0.6, 20
PEERS: Final = {
    "stats": ("plain receive", "plain receive and give back"),
    "export": ("plain receive", "plain receive and give back"),
    "replay of a third": ("plain third",),
    "replay of all": ("plain all",),
    "penstock dlq stats": ("plain receive",),
    "penstock dlq replay --all": ("plain all",),
}
COMMANDS: Final = {
    "penstock dlq stats": ("stats",),
    "penstock dlq replay --all": ("replay", "--all", "--yes", "--no-record"),
}
ROOT = Path(__file__).parents[2]
ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}

_talk = Console(stderr=True)
_data = Console(width=None if sys.stdout.isatty() else 120)


@dataclass(frozen=True, slots=True)
class Run:
    """One operation on so many dead letters.

    Attributes:
        messages: how many there were.
        seconds: how long it took.
        cpu_seconds: of the processors, the stand-in's not included.
        peak: the most memory that was resident, in bytes.
    """

    messages: int
    seconds: float
    cpu_seconds: float
    peak: int

    @property
    def rate(self) -> float:
        """Messages per second."""
        return self.messages / self.seconds

    @property
    def cpu_microseconds(self) -> float:
        """Microseconds of the processors per message."""
        return self.cpu_seconds / self.messages * 1_000_000


Runs = Mapping[str, Run]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the tables, write the JSON."""
    options = _parser().parse_args(arguments)
    with stand_in(options.call_ms) as address:
        few = _measure(address, options.few) if options.few else {}
        many = _measure(address, options.letters)
    figures = list(_figures(few, many, options))
    _show(few, many, figures)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(_as_json(few, many, figures), indent=2) + "\n")
    if options.markdown:
        _write_page(options.markdown, figures)
    _talk.print(f"[dim]written to {options.json}[/dim]")


def _measure(address: str, letters: int) -> Runs:
    return {name: _run(name, address, letters) for name in (*RUNS, *COMMANDS)}


def _run(name: str, address: str, letters: int) -> Run:
    _talk.print(f"[dim]{name}, {letters:,} dead letters[/dim]")
    refill(address, letters)
    command = [sys.executable, "-m", *_child(name, address)]
    environment = os.environ | ENVIRONMENT | {"AWS_ENDPOINT_URL": address}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment)
    return Run(letters, **json.loads(done.stdout))


def _child(name: str, address: str) -> list[str]:
    if words := COMMANDS.get(name):
        return ["benchmarks.dlq.command", "dlq", *words, "--json", "--stage", "dev", "--service", "bench"]
    return ["benchmarks.dlq.runs", name, f"{address}/1/{DEAD}", f"{address}/1/{MAIN}"]


def _figures(few: Runs, many: Runs, options: argparse.Namespace) -> Iterator[Figure]:
    for name, peers in PEERS.items():
        for peer in peers:
            limit = None if name.startswith("penstock ") else AT_LEAST
            yield Figure(f"speed: {name} / {peer}", many[name].rate / many[peer].rate, at_least=limit)
    for name in PEERS if few else ():
        more = (many[name].peak - few[name].peak) / MIB
        title = f"memory: {name}, {options.letters:,} above {options.few:,}"
        yield Figure(title, more, unit="MiB", at_most=AT_MOST_MIB)


def _as_json(few: Runs, many: Runs, figures: Sequence[Figure]) -> dict[str, object]:
    runs = {str(n): {name: asdict(run) for name, run in one.items()} for n, one in (("few", few), ("many", many))}
    return {"machine": _machine(), "runs": runs, "figures": [figure.as_json() for figure in figures]}


def _show(few: Runs, many: Runs, figures: Sequence[Figure]) -> None:
    for runs in filter(None, (few, many)):
        letters = next(iter(runs.values())).messages
        table = Table("", title=f"{letters:,} dead letters", title_justify="left")
        for heading in ("seconds", "messages/s", "CPU us per message", "peak MiB"):
            table.add_column(heading, justify="right")
        for name, run in runs.items():
            measured = (
                f"{run.seconds:,.1f}",
                f"{run.rate:,.0f}",
                f"{run.cpu_microseconds:,.0f}",
                f"{run.peak / MIB:,.0f}",
            )
            table.add_row(name, *measured)
        _data.print(table)
    table = Table("figure", title="What it comes to", title_justify="left")
    for heading in ("measured", "target", ""):
        table.add_column(heading, justify="right")
    for figure in figures:
        table.add_row(figure.name, figure.measured, figure.target, VERDICTS[figure.reached])
    _data.print(table)


def _write_page(path: Path, figures: Sequence[Figure]) -> None:
    circumstances = ", ".join(f"{name} {value}" for name, value in _machine().items())
    words = f"Written by `make bench-dlq`: {circumstances}. How to read it: `benchmarks/dlq/__main__.py`."
    write_page(path, "Figures of dead letters", words, figures)


def _machine() -> dict[str, object]:
    return {"cpus": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m benchmarks.dlq", description="Measure dead letters.")
    add = parser.add_argument
    add("--letters", type=int, default=100_000, help="how many dead letters there are")
    add(
        "--few",
        type=int,
        default=1000,
        help="how many there are where memory is compared with; 0 for no comparison",
    )
    add("--call-ms", type=float, default=5.0, help="what a call to the stand-in takes, in milliseconds")
    add("--json", type=Path, default=Path("build/bench-dlq.json"), help="where the JSON goes")
    add("--markdown", type=Path, help="where the figures go as a page of Markdown")
    return parser


if __name__ == "__main__":
    main()
