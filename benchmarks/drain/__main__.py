"""`make bench-drain`: the speed of the drain, compared with common alternatives.

How to read the figures. Every figure is a median of interleaved rounds (A B C B C A ...) in one run, on one
embedded Postgres, from the Lambda event (a dict of records) to the committed transaction. A ratio is the median of
the ratios of the same events. All contenders get the same events with fresh ids and have one connection each. Each
turn starts with tables that were truncated and then written to with a few records, so that no contender pays for
new files and discarded plans. Small events take less than a millisecond, so each contender gets 20 of them in each
of its turns.

    penstock    the drain: validation, ledger (each id takes effect once), rows
    powertools  Powertools' BatchProcessor, one SQLAlchemy transaction per record
    bulk        json.loads and one SQLAlchemy executemany per event; no validation, no dedup, all or nothing
    copy        COPY of rows that were prepared before the clock started: the upper limit for any consumer

The same comparison is run in several places:

    this machine    client and server share its processors, and there is no network between them
    N ms a trip     a proxy adds N ms to each round trip, as a network between zones or regions does
    one processor   client and server share one, so nothing is done at the same time; only on Linux

Where `powertools` would take many seconds for an event, it is left out: its time only grows with the records.

Then come the processor time and the WAL of each contender (`usage.py` says how they are measured), and scenarios
of Penstock alone, compared with its own clean batch: poison, duplicates, a ledger of millions of rows, and the
write modes that write by key. After each round the tables are compared with the events.

Compare ratios, not milliseconds, which depend on the machine. Dead letters go to a queue in memory. Postgres has
its default settings, so that each commit waits for the disk (a part of the time of `powertools`); `--no-fsync`
removes that wait for all contenders. The report marks a missed target. The exit code is 0 if the measurement
itself worked.
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from rich.console import Console

from benchmarks.drain.comparison import Comparison, speed_figures
from benchmarks.drain.memory import memory_figure
from benchmarks.drain.places import Place, places
from benchmarks.drain.report import DrainReport
from benchmarks.drain.scenarios import SCENARIOS, cost_figures, run_scenarios
from benchmarks.drain.server import Database, server
from benchmarks.drain.usage import USAGE_RECORDS, measure_usage
from penstock.local.postgres import Postgres

_stderr = Console(stderr=True)
_stdout = Console(width=None if sys.stdout.isatty() else 120)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the table, write the JSON."""
    options = _parser().parse_args(arguments)
    # Without a handler, log records of dead letters would be printed. On Lambda they are written to a pipe.
    logging.getLogger("penstock").addHandler(logging.NullHandler())
    with server(durable=options.fsync) as postgres:
        report = measure(postgres, options)
    report.show(_stdout)
    report.write(options.json)
    _report_progress(f"written to {options.json}")
    if options.markdown:
        report.write_markdown(options.markdown)
        _report_progress(f"written to {options.markdown}")


def measure(postgres: Postgres, options: argparse.Namespace) -> DrainReport:
    """Measure everything on a Postgres server that nothing else uses.

    Args:
        postgres: the server.
        options: the parsed command line.
    """
    with closing(Database(postgres, "bench")) as database, closing(Database(postgres, "full")) as full:
        report = DrainReport(database.settings(), options.ledger_rows)
        for place in places(options.trips):
            _compare(report, postgres, database, place, options)
        for size in options.sizes:
            _report_progress(f"processor time and WAL, {size:,} records")
            report.usage[size] = measure_usage(database, size, USAGE_RECORDS * options.rounds)
        _measure_scenarios(report, database, full, options)
        if options.memory_records:
            _report_progress(f"memory, {options.memory_records:,} records")
            report.figures.append(memory_figure(database, options.memory_records))
    return report


def _compare(
    report: DrainReport, postgres: Postgres, database: Database, place: Place, options: argparse.Namespace
) -> None:
    if place.missing:
        _report_progress(f"{place.name} is left out: {place.missing}")
        return
    report.comparison[place.name] = {}
    # What is added to each trip varies less than what this machine does.
    rounds = max(1, options.rounds // 5) if place.trip_ms else options.rounds
    with place.reach(postgres, database.url) as url:
        for size in options.sizes:
            _report_progress(f"{place.name}, {size:,} records")
            timings = Comparison(database, size, place).run(url, rounds)
            report.comparison[place.name][size] = timings
            report.figures += speed_figures(timings, place)


def _measure_scenarios(report: DrainReport, empty: Database, full: Database, options: argparse.Namespace) -> None:
    if options.ledger_rows:
        _report_progress(f"filling a ledger with {options.ledger_rows:,} rows")
        full.fill_ledger(options.ledger_rows)
    scenarios = [scenario for scenario in SCENARIOS if options.ledger_rows or not scenario.full_ledger]
    _report_progress(f"penstock alone, {options.batch:,} records")
    report.scenarios = run_scenarios(scenarios, empty, full, size=options.batch, rounds=options.rounds)
    report.figures += cost_figures(report.scenarios)


def _report_progress(step: str) -> None:
    _stderr.print(f"[dim]{step}[/dim]")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.drain", description="Measure the drain and its alternatives."
    )
    add = parser.add_argument
    add(
        "--sizes",
        type=int,
        nargs="+",
        default=[1, 10, 100, 1000, 10_000],
        help="records per event in the comparison",
    )
    add(
        "--rounds",
        type=int,
        default=15,
        help="rounds at 1,000 records; smaller events have more, larger ones fewer",
    )
    add(
        "--trips",
        type=float,
        nargs="*",
        default=[1, 10],
        help="milliseconds that a proxy adds to each round trip; the comparison is repeated for each",
    )
    add("--batch", type=int, default=1000, help="records per event in the scenarios of penstock alone")
    add("--ledger-rows", type=int, default=10_000_000, help="rows in the full ledger; 0 skips its scenarios")
    add(
        "--memory-records",
        type=int,
        default=10_000,
        help="records of the event whose memory is measured; 0 skips it",
    )
    add("--no-fsync", dest="fsync", action="store_false", help="let no commit wait for the disk")
    add("--json", type=Path, default=Path("build/bench-drain.json"), help="path of the JSON file")
    add("--markdown", type=Path, help="path of a Markdown page of the figures; none by default")
    return parser


if __name__ == "__main__":
    main()
