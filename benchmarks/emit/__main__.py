"""`make bench-emit`: what emitting costs, beside a plainly written producer function.

How to read it. Both sides are timed in turn, in one process and one run, so compare ratios, not milliseconds:
those are this machine's. The plain side is `benchmarks/emit/bare.py`: boto3, json, no validation, no receipt.

    burst      `emit_many` of 10,000 intents beside a loop of `send_message_batch`
    request    one request to a handler that emits, beside one to a handler that sends; `HttpApi` also routes,
               validates and answers problems, `emit` is the same without it
    import     what a function's start costs before its first request; `parts of HttpApi` is the import of
               botocore, Pydantic and Powertools' event handler with nothing of Penstock: with them less is not to
               be had. The plain function makes its client in its import, Penstock in its first request
    start      what the first caller waits for in all: the import, and the first answer (local only)
    memory     what many requests leave behind in a process, each another one

Bursts and requests are measured against `stub`, botocore with all of its work and a fixed time for each call in
place of a network, and, unless it is left out, against `local`, the local AWS. The local one serves one call at a
time and shares the processors with the client: some thousand messages a second are all that it takes from either
side, so that many calls at once gain nothing there, and a burst has no target. SQS serves them at once.

A target that is missed is shown as such; the exit code is 0 whenever the measurement itself worked.
"""

import argparse
import importlib
import json
import os
import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from rich.console import Console
from rich.table import Table as Grid

from benchmarks.emit.memory import MARKS, memory_figures
from benchmarks.emit.places import ENVIRONMENT, KEY, Bench, local, stubbed
from benchmarks.emit.rounds import Table, alone, first_answer, interleave, request
from benchmarks.figures import VERDICTS, Figure, write_page
from penstock import accepted, emit
from penstock.producer import emitter
from penstock.testing import LambdaContext
from shared.intents import StockAdjusted

FASTER, SLOWER, IMPORT = 5.0, 1.15, 1.5
PARTS = """
import botocore.session
from pydantic import BaseModel, Field
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
"""

_talk = Console(stderr=True)
_data = Console(width=None if sys.stdout.isatty() else 120)


@dataclass(slots=True)
class Report:
    """Everything that was measured: the tables, and what follows from them."""

    tables: list[Table] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        tables = {table.title: table.as_json() for table in self.tables}
        figures = [figure.as_json() for figure in self.figures]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"machine": _machine(), "tables": tables, "figures": figures}, indent=2) + "\n")

    def write_markdown(self, path: Path) -> None:
        """Write the figures as a page of Markdown."""
        circumstances = ", ".join(f"{name} {value}" for name, value in _machine().items())
        words = f"Written by `make bench-emit`: {circumstances}. How to read it: `benchmarks/emit/__main__.py`."
        write_page(path, "Figures of emitting", words, self.figures)

    def show(self, console: Console) -> None:
        """Print it."""
        for table in self.tables:
            rows = [(name, *_milliseconds(figures)) for name, figures in table.as_json().items()]
            _print(console, table.title, ("", "rounds", "fastest ms", "median ms", "p99 ms", "slowest ms"), rows)
        rows = [(each.name, each.measured, each.target, VERDICTS[each.reached]) for each in self.figures]
        _print(console, "What it comes to", ("figure", "measured", "target", ""), rows)


def _machine() -> dict[str, Any]:
    return {"cpus": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the tables, write the JSON."""
    options = _parser().parse_args(arguments)
    with mock.patch.dict(os.environ, ENVIRONMENT):
        report = Report()
        with stubbed(options.stub_ms / 1000) as bench:
            _measure(report, f"stub, {options.stub_ms:g} ms per call", bench, options, faster=FASTER)
        if options.local:
            with local() as bench:
                _measure(report, "local", bench, options)
                _first_answers(report, bench, options)
        _imports(report, options)
    _say("memory")
    report.figures += memory_figures([mark for mark in MARKS if mark < options.memory] + [options.memory])
    report.show(_data)
    report.write(options.json)
    _say(f"written to {options.json}")
    if options.markdown:
        report.write_markdown(options.markdown)
        _say(f"written to {options.markdown}")


def _measure(
    report: Report, where: str, bench: Bench, options: argparse.Namespace, *, faster: float | None = None
) -> None:
    _say(f"burst, {where}")
    burst = _burst(bench, options, f"burst of {options.intents:,} intents, {where}")
    _say(f"requests, {where}")
    single = _requests(bench, options, f"one request, {where}")
    report.tables += [burst, single]
    report.figures.append(
        Figure(f"speed: emit_many / plain loop, {where}", burst.ratio("loop", "penstock"), at_least=faster)
    )
    for name in ("emit", "HttpApi"):
        for at, word in ((0.5, "p50"), (0.99, "p99")):
            ratio = single.ratio(name, "bare", at=at)
            report.figures.append(Figure(f"time: {name} / bare, {word}, {where}", ratio, at_most=SLOWER))


def _burst(bench: Bench, options: argparse.Namespace, title: str) -> Table:
    bodies = [{"sku": f"A{number}", "delta": -2} for number in range(options.intents)]

    def ours() -> None:
        receipts = emitter.emit_many((StockAdjusted(**body) for body in bodies), timeout_seconds=60)  # type: ignore[arg-type]
        assert len(receipts) == len(bodies)

    def loop() -> None:
        bench.bare.send_all(bench.url, bodies)

    samples: dict[str, list[float]] = {"penstock": [], "loop": []}
    for number in range(1 + options.rounds):
        for name, run in {"penstock": ours, "loop": loop}.items():
            bench.empty()
            (seconds,) = interleave({name: run}, rounds=1, warm_up=0)[name]
            samples[name] += [seconds] if number else []
    return Table(title, samples)


def _requests(bench: Bench, options: argparse.Namespace, title: str) -> Table:
    handler = importlib.import_module("producer.stock").handler
    event, context = request(), LambdaContext()

    def plain_emit(event: dict[str, Any], _context: object) -> dict[str, Any]:
        intent = StockAdjusted.model_validate(json.loads(event["body"]) | event["pathParameters"])
        return accepted(emit(intent))

    def asking(handler: Any) -> Callable[[], None]:
        def ask() -> None:
            assert handler(event, context)["statusCode"] == 202  # noqa: PLR2004

        return ask

    bench.empty()
    runs = {"bare": asking(bench.bare.handler), "emit": asking(plain_emit), "HttpApi": asking(handler)}
    return Table(title, interleave(runs, rounds=options.requests, collect=False))


def _first_answers(report: Report, bench: Bench, options: argparse.Namespace) -> None:
    _say("first answers")
    told = {"PENSTOCK_QUEUE_URL": bench.url, "PENSTOCK_SOURCE": "/shop", "PENSTOCK_RECEIPT_KEY": KEY}
    bare = first_answer("benchmarks.emit.bare", told)
    ours = first_answer("producer.stock", told)
    secret = first_answer("producer.stock", {**told, "PENSTOCK_RECEIPT_KEY": str(bench.secret)})
    codes = {"bare": bare, "HttpApi": ours, "HttpApi, its key a secret": secret}
    _compare(report, "start", Table("start to first answer, local", alone(codes, rounds=options.imports)), None)


def _imports(report: Report, options: argparse.Namespace) -> None:
    _say("imports")
    modules = {"bare": "benchmarks.emit.bare", "penstock": "penstock", "HttpApi": "producer.stock"}
    codes = {name: f"import {module}" for name, module in modules.items()} | {"parts of HttpApi": PARTS}
    samples = alone(codes, rounds=options.imports, clock="process_time")
    _compare(report, "import", Table("import of a producer function, processor time", samples), IMPORT)


def _compare(report: Report, what: str, table: Table, limit: float | None) -> None:
    report.tables.append(table)
    for name in list(table.samples)[1:]:
        target = None if name == "parts of HttpApi" else limit
        report.figures.append(Figure(f"{what}: {name} / bare", table.ratio(name, "bare"), at_most=target))


def _milliseconds(figures: dict[str, Any]) -> Iterator[str]:
    yield str(figures["rounds"])
    for name in ("fastest", "median", "p99", "slowest"):
        yield f"{figures[name] * 1000:,.2f}"


def _print(console: Console, title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    grid = Grid(headings[0], title=title, title_justify="left")
    for heading in headings[1:]:
        grid.add_column(heading, justify="right")
    for row in rows:
        grid.add_row(*row)
    console.print(grid)


def _say(step: str) -> None:
    _talk.print(f"[dim]{step}[/dim]")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m benchmarks.emit", description="Measure what emitting costs.")
    add = parser.add_argument
    add("--intents", type=int, default=10_000, help="intents of a burst")
    add("--rounds", type=int, default=7, help="bursts of each side")
    add("--requests", type=int, default=1000, help="requests to each handler")
    add("--imports", type=int, default=11, help="imports of each function")
    add("--memory", type=int, default=MARKS[-1], help="requests after which memory is looked at last")
    add("--stub-ms", type=float, default=5.0, help="what a call to the stub takes, in milliseconds")
    add("--no-local", dest="local", action="store_false", help="leave the local AWS out")
    add("--json", type=Path, default=Path("build/bench-emit.json"), help="where the JSON goes")
    add("--markdown", type=Path, help="where the figures go as a Markdown table, if anywhere")
    return parser


if __name__ == "__main__":
    main()
