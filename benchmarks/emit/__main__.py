"""`make bench-emit`: the cost of emitting, compared with a producer function without a framework.

How to read the figures. Both sides are timed in turn, in one process and one run. Compare ratios, not
milliseconds, which depend on the machine. The other side is `benchmarks/emit/bare.py`: boto3, json, no validation,
no receipt.

    burst      `emit_many` of 10,000 intents, compared with a loop of `send_message_batch`; `packed` is the same
               with packs of 64 KB
    request    one request to a handler that emits, compared with one to a handler that sends; `HttpApi` also
               routes, validates and answers with problem documents, `emit` is the same without it
    import     the import of a function, before its first request; `parts of HttpApi` is the import of botocore,
               Pydantic and Powertools' event handler without Penstock: the lower limit for a function with these
               libraries. The bare function makes its client during the import, Penstock in the first request
    start      the whole wait of the first caller: the import and the first answer (local only)
    memory     the memory that many different requests leave behind in a process

Bursts and requests are measured against two endpoints. `stub` is botocore with all of its work, and a fixed time
for each call that stands for the network. `local` is the local AWS; `--no-local` skips it. The local AWS serves
one call at a time and shares the processors with the client. It takes about a thousand messages a second from
either side, so concurrent calls gain nothing there, and a burst has no target. SQS serves calls concurrently.

The report marks a missed target. The exit code is 0 if the measurement itself worked.
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
from rich.table import Table

from benchmarks.emit.endpoints import ENVIRONMENT, KEY, Endpoint, local_endpoint, stub_endpoint
from benchmarks.emit.memory import MARKS, memory_figures
from benchmarks.emit.rounds import TimingTable, first_answer, interleave, request, time_in_processes
from benchmarks.figures import VERDICTS, Figure, write_page
from penstock import accepted, emit
from penstock.producer import Producer, emitter
from penstock.testing import LambdaContext
from shared.intents import StockAdjusted

MIN_BURST_RATIO, MAX_REQUEST_RATIO, MAX_IMPORT_RATIO = 5.0, 1.15, 1.5
MIN_PACKED_RATIO = 40.0
PACK_BYTES = 65_536
PARTS = """
import botocore.session
from pydantic import BaseModel, Field
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
"""

_stderr = Console(stderr=True)
_stdout = Console(width=None if sys.stdout.isatty() else 120)


@dataclass(slots=True)
class EmitReport:
    """All results of a run: the timings, and the figures that follow from them."""

    tables: list[TimingTable] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)

    def write(self, path: Path) -> None:
        """Write the report as JSON."""
        tables = {table.title: table.as_json() for table in self.tables}
        figures = [figure.as_json() for figure in self.figures]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"machine": _machine(), "tables": tables, "figures": figures}, indent=2) + "\n")

    def write_markdown(self, path: Path) -> None:
        """Write the figures as a Markdown page."""
        conditions = ", ".join(f"{name} {value}" for name, value in _machine().items())
        introduction = (
            f"Written by `make bench-emit`: {conditions}. How to read it: `benchmarks/emit/__main__.py`."
        )
        write_page(path, "Figures of emitting", introduction, self.figures)

    def show(self, console: Console) -> None:
        """Print the report."""
        for table in self.tables:
            rows = [(name, *_milliseconds(figures)) for name, figures in table.as_json().items()]
            _print(console, table.title, ("", "rounds", "fastest ms", "median ms", "p99 ms", "slowest ms"), rows)
        rows = [(figure.name, figure.measured, figure.target, VERDICTS[figure.reached]) for figure in self.figures]
        _print(console, "Figures and targets", ("figure", "measured", "target", ""), rows)


def _machine() -> dict[str, Any]:
    return {"cpus": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the tables, write the JSON."""
    options = _parser().parse_args(arguments)
    with mock.patch.dict(os.environ, ENVIRONMENT):
        report = EmitReport()
        with stub_endpoint(options.stub_ms / 1000) as endpoint:
            _measure(
                report,
                f"stub, {options.stub_ms:g} ms per call",
                endpoint,
                options,
                min_ratios=(MIN_BURST_RATIO, MIN_PACKED_RATIO),
            )
        if options.local:
            with local_endpoint() as endpoint:
                _measure(report, "local", endpoint, options)
                _first_answers(report, endpoint, options)
        _imports(report, options)
    _report_progress("memory")
    report.figures += memory_figures([mark for mark in MARKS if mark < options.memory] + [options.memory])
    report.show(_stdout)
    report.write(options.json)
    _report_progress(f"written to {options.json}")
    if options.markdown:
        report.write_markdown(options.markdown)
        _report_progress(f"written to {options.markdown}")


def _measure(
    report: EmitReport,
    where: str,
    endpoint: Endpoint,
    options: argparse.Namespace,
    *,
    min_ratios: tuple[float | None, float | None] = (None, None),
) -> None:
    _report_progress(f"burst, {where}")
    burst = _burst(endpoint, options, f"burst of {options.intents:,} intents, {where}")
    _report_progress(f"requests, {where}")
    single = _requests(endpoint, options, f"one request, {where}")
    report.tables += [burst, single]
    report.figures.append(
        Figure(f"speed: emit_many / plain loop, {where}", burst.ratio("loop", "penstock"), at_least=min_ratios[0])
    )
    packed = burst.ratio("loop", "packed")
    report.figures.append(Figure(f"speed: packed / plain loop, {where}", packed, at_least=min_ratios[1]))
    for name in ("emit", "HttpApi"):
        for at, label in ((0.5, "p50"), (0.99, "p99")):
            ratio = single.ratio(name, "bare", at=at)
            report.figures.append(
                Figure(f"time: {name} / bare, {label}, {where}", ratio, at_most=MAX_REQUEST_RATIO)
            )


def _burst(endpoint: Endpoint, options: argparse.Namespace, title: str) -> TimingTable:
    bodies = [{"sku": f"A{number}", "delta": -2} for number in range(options.intents)]

    def emitting(producer: Producer) -> Callable[[], None]:
        def emit_all() -> None:
            receipts = producer.emit_many((StockAdjusted(**body) for body in bodies), timeout_seconds=60)  # type: ignore[arg-type]
            assert len(receipts) == len(bodies)

        return emit_all

    def loop() -> None:
        endpoint.bare.send_all(endpoint.url, bodies)

    runs = {
        "penstock": emitting(emitter.environment_producer()),
        "packed": emitting(endpoint.producer(PACK_BYTES)),
        "loop": loop,
    }
    samples: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(1 + options.rounds):
        for name, run in runs.items():
            endpoint.purge()
            (seconds,) = interleave({name: run}, rounds=1, warm_up=0)[name]
            samples[name] += [seconds] if number else []
    return TimingTable(title, samples)


def _requests(endpoint: Endpoint, options: argparse.Namespace, title: str) -> TimingTable:
    handler = importlib.import_module("producer.stock").handler
    event, context = request(), LambdaContext()

    def plain_emit(event: dict[str, Any], _context: object) -> dict[str, Any]:
        intent = StockAdjusted.model_validate(json.loads(event["body"]) | event["pathParameters"])
        return accepted(emit(intent))

    def sender(handler: Any) -> Callable[[], None]:
        def send() -> None:
            assert handler(event, context)["statusCode"] == 202  # noqa: PLR2004

        return send

    endpoint.purge()
    runs = {
        "bare": sender(endpoint.bare.handler),
        "emit": sender(plain_emit),
        "HttpApi": sender(handler),
    }
    return TimingTable(title, interleave(runs, rounds=options.requests, collect=False))


def _first_answers(report: EmitReport, endpoint: Endpoint, options: argparse.Namespace) -> None:
    _report_progress("first answers")
    environment = {"PENSTOCK_QUEUE_URL": endpoint.url, "PENSTOCK_SOURCE": "/shop", "PENSTOCK_RECEIPT_KEY": KEY}
    bare = first_answer("benchmarks.emit.bare", environment)
    ours = first_answer("producer.stock", environment)
    secret = first_answer("producer.stock", {**environment, "PENSTOCK_RECEIPT_KEY": str(endpoint.secret)})
    codes = {"bare": bare, "HttpApi": ours, "HttpApi, its key a secret": secret}
    _compare(
        report,
        "start",
        TimingTable("start to first answer, local", time_in_processes(codes, rounds=options.imports)),
        None,
    )


def _imports(report: EmitReport, options: argparse.Namespace) -> None:
    _report_progress("imports")
    modules = {"bare": "benchmarks.emit.bare", "penstock": "penstock", "HttpApi": "producer.stock"}
    codes = {name: f"import {module}" for name, module in modules.items()} | {"parts of HttpApi": PARTS}
    samples = time_in_processes(codes, rounds=options.imports, clock="process_time")
    _compare(
        report, "import", TimingTable("import of a producer function, processor time", samples), MAX_IMPORT_RATIO
    )


def _compare(report: EmitReport, what: str, table: TimingTable, limit: float | None) -> None:
    report.tables.append(table)
    for name in list(table.samples)[1:]:
        target = None if name == "parts of HttpApi" else limit
        report.figures.append(Figure(f"{what}: {name} / bare", table.ratio(name, "bare"), at_most=target))


def _milliseconds(figures: dict[str, Any]) -> Iterator[str]:
    yield str(figures["rounds"])
    for name in ("fastest", "median", "p99", "slowest"):
        yield f"{figures[name] * 1000:,.2f}"


def _print(console: Console, title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    grid = Table(headings[0], title=title, title_justify="left")
    for heading in headings[1:]:
        grid.add_column(heading, justify="right")
    for row in rows:
        grid.add_row(*row)
    console.print(grid)


def _report_progress(step: str) -> None:
    _stderr.print(f"[dim]{step}[/dim]")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m benchmarks.emit", description="Measure the cost of emitting.")
    add = parser.add_argument
    add("--intents", type=int, default=10_000, help="number of intents in a burst")
    add("--rounds", type=int, default=7, help="number of bursts of each side")
    add("--requests", type=int, default=1000, help="number of requests to each handler")
    add("--imports", type=int, default=11, help="number of imports of each function")
    add("--memory", type=int, default=MARKS[-1], help="number of requests after which memory is last measured")
    add("--stub-ms", type=float, default=5.0, help="duration of a call to the stub, in milliseconds")
    add("--no-local", dest="local", action="store_false", help="skip the local AWS")
    add("--json", type=Path, default=Path("build/bench-emit.json"), help="path of the JSON file")
    add("--markdown", type=Path, help="path of a Markdown page of the figures; none by default")
    return parser


if __name__ == "__main__":
    main()
