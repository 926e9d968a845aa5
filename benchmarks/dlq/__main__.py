"""`make bench-dlq`: the cost of counting, exporting and replaying many dead letters.

How to read the figures. Each operation runs in a separate process against `benchmarks/dlq/fake_sqs.py`, which
answers each call after 5 ms, for any number of messages. All operations include the work of botocore and share the
processors with the fake SQS, so compare ratios, not seconds.

    plain receive       16 threads receive 10 messages per call until the queue is empty; the messages stay
                        invisible for an hour
    ... and give back   the same, then every message is made visible again, as `stats` and `export` do
    plain third, all    16 threads receive 10 messages per call, send them (or those of one kind) and delete them

The plain loops check no result: they lose messages that SQS refuses, and delete messages whose lease has expired.
`penstock dlq ...` is the command itself, including its start and its JSON output. Reading has a target beside the
loop that gives back, because `stats` and `export` do that too.

The report marks a missed target. The exit code is 0 if the measurement itself worked.
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

from benchmarks.dlq.fake_sqs import DEAD, MAIN, fake_sqs, refill
from benchmarks.dlq.operations import OPERATIONS
from benchmarks.drain.memory import MIB
from benchmarks.figures import VERDICTS, Figure, write_page

MIN_SPEED_RATIO, MIN_READING_RATIO, MAX_MEMORY_MIB = 0.6, 0.8, 20
GIVE_BACK: Final = "plain receive and give back"
PEERS: Final = {
    "stats": ("plain receive", GIVE_BACK),
    "export": ("plain receive", GIVE_BACK),
    "replay of a third": ("plain third",),
    "replay of all": ("plain all",),
    "penstock dlq stats": (GIVE_BACK,),
    "penstock dlq export": (GIVE_BACK,),
    "penstock dlq replay --all": ("plain all",),
}
COMMANDS: Final = {
    "penstock dlq stats": ("stats",),
    "penstock dlq export": ("export", "letters.jsonl.gz"),
    "penstock dlq replay --all": ("replay", "--all", "--yes", "--no-record"),
}
ROOT = Path(__file__).parents[2]
ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}

_stderr = Console(stderr=True)
_stdout = Console(width=None if sys.stdout.isatty() else 120)


@dataclass(frozen=True, slots=True)
class Measurement:
    """The figures of one operation.

    Attributes:
        messages: the number of dead letters.
        seconds: the elapsed time.
        cpu_seconds: the processor time, without that of the fake SQS.
        peak: the peak resident memory, in bytes.
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
        """Processor time per message, in microseconds."""
        return self.cpu_seconds / self.messages * 1_000_000


Measurements = Mapping[str, Measurement]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the tables, write the JSON."""
    options = _parser().parse_args(arguments)
    with fake_sqs(options.call_ms) as address:
        few = _measure(address, options.few) if options.few else {}
        many = _measure(address, options.letters)
    figures = list(_figures(few, many, options))
    _show(few, many, figures)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(_as_json(few, many, figures), indent=2) + "\n")
    if options.markdown:
        _write_page(options.markdown, figures)
    _stderr.print(f"[dim]written to {options.json}[/dim]")


def _measure(address: str, letters: int) -> Measurements:
    return {name: _run(name, address, letters) for name in (*OPERATIONS, *COMMANDS)}


def _run(name: str, address: str, letters: int) -> Measurement:
    _stderr.print(f"[dim]{name}, {letters:,} dead letters[/dim]")
    refill(address, letters)
    command = [sys.executable, "-m", *_module_arguments(name, address)]
    environment = os.environ | ENVIRONMENT | {"AWS_ENDPOINT_URL": address}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment)
    return Measurement(letters, **json.loads(done.stdout))


def _module_arguments(name: str, address: str) -> list[str]:
    if arguments := COMMANDS.get(name):
        return ["benchmarks.dlq.command", "dlq", *arguments, "--json", "--stage", "dev", "--service", "bench"]
    return ["benchmarks.dlq.operations", name, f"{address}/1/{DEAD}", f"{address}/1/{MAIN}"]


def _figures(few: Measurements, many: Measurements, options: argparse.Namespace) -> Iterator[Figure]:
    for name, peers in PEERS.items():
        for peer in peers:
            ratio = many[name].rate / many[peer].rate
            yield Figure(f"speed: {name} / {peer}", ratio, at_least=_least_speed(name, peer))
    for name in PEERS if few else ():
        more = (many[name].peak - few[name].peak) / MIB
        title = f"memory: {name}, {options.letters:,} above {options.few:,}"
        yield Figure(title, more, unit="MiB", at_most=MAX_MEMORY_MIB)


def _least_speed(name: str, peer: str) -> float | None:
    if peer == GIVE_BACK:
        return MIN_READING_RATIO
    # A command that reads does more than receive; a start is a large part of a replay of few.
    return None if name.startswith("penstock ") or peer == "plain receive" else MIN_SPEED_RATIO


def _as_json(few: Measurements, many: Measurements, figures: Sequence[Figure]) -> dict[str, object]:
    runs = {str(n): {name: asdict(run) for name, run in one.items()} for n, one in (("few", few), ("many", many))}
    return {"machine": _machine(), "runs": runs, "figures": [figure.as_json() for figure in figures]}


def _show(few: Measurements, many: Measurements, figures: Sequence[Figure]) -> None:
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
        _stdout.print(table)
    table = Table("figure", title="Figures and targets", title_justify="left")
    for heading in ("measured", "target", ""):
        table.add_column(heading, justify="right")
    for figure in figures:
        table.add_row(figure.name, figure.measured, figure.target, VERDICTS[figure.reached])
    _stdout.print(table)


def _write_page(path: Path, figures: Sequence[Figure]) -> None:
    conditions = ", ".join(f"{name} {value}" for name, value in _machine().items())
    introduction = f"Written by `make bench-dlq`: {conditions}. How to read it: `benchmarks/dlq/__main__.py`."
    write_page(path, "Figures of dead letters", introduction, figures)


def _machine() -> dict[str, object]:
    return {"cpus": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m benchmarks.dlq", description="Measure dead letters.")
    add = parser.add_argument
    add("--letters", type=int, default=100_000, help="number of dead letters")
    add(
        "--few",
        type=int,
        default=1000,
        help="smaller number of dead letters, to compare memory with; 0 skips the comparison",
    )
    add("--call-ms", type=float, default=5.0, help="duration of a call to the fake SQS, in milliseconds")
    add("--json", type=Path, default=Path("build/bench-dlq.json"), help="path of the JSON file")
    add("--markdown", type=Path, help="path of a Markdown page of the figures; none by default")
    return parser


if __name__ == "__main__":
    main()
