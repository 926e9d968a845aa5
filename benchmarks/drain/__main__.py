"""`make bench-drain`: how fast the drain is, beside what people use today.

How to read it. Every figure is a median of interleaved rounds (A B C A B C ...) in one run, on one embedded
Postgres, from the Lambda event (a dict of records) to the committed transaction. All contenders are handed the
same events of fresh ids, have one connection each, and start each round with tables that were emptied and then
written to a little, so that none of them pays for new files and forgotten plans.

    penstock    the drain: validation, ledger (each id takes effect once), rows
    powertools  Powertools' BatchProcessor, one SQLAlchemy transaction per record
    bulk        json.loads and one SQLAlchemy executemany per event; no validation, no dedup, all or nothing
    copy        COPY of rows that were made ready before the clock started: what no consumer can beat

Penstock alone is set against its own clean batch: poison, duplicates, a ledger of millions of rows, and the write
modes that write by key. After each round the tables are held against what the events said.

Compare ratios, not milliseconds: those are this machine's. Client and server share its processors, there is no
network between them, and dead letters go to a queue in memory. Postgres runs as it ships, so that each commit
waits for the disk (where `powertools` spends a part of its time); `--no-fsync` leaves that out, for all alike.
A target that is missed is shown as such; the exit code is 0 whenever the measurement itself worked.
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from rich.console import Console

from benchmarks.drain.memory import memory_figure
from benchmarks.drain.race import Race, speed_figures
from benchmarks.drain.report import Report
from benchmarks.drain.scenarios import SCENARIOS, cost_figures, run_scenarios
from benchmarks.drain.server import Database, server
from penstock.local.postgres import Postgres

_talk = Console(stderr=True)
_data = Console(width=None if sys.stdout.isatty() else 120)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the table, write the JSON."""
    options = _parser().parse_args(arguments)
    # Records of dead letters would be printed; on Lambda they are written to a pipe.
    logging.getLogger("penstock").addHandler(logging.NullHandler())
    with server(durable=options.fsync) as postgres:
        report = measure(postgres, options)
    report.show(_data)
    report.write(options.json)
    _say(f"written to {options.json}")
    if options.markdown:
        report.write_markdown(options.markdown)
        _say(f"written to {options.markdown}")


def measure(postgres: Postgres, options: argparse.Namespace) -> Report:
    """Measure everything, on a server of its own."""
    with closing(Database(postgres, "bench")) as database, closing(Database(postgres, "full")) as full:
        report = Report(database.settings(), options.ledger_rows)
        _race(report, database, options)
        _alone(report, database, full, options)
        if options.memory_records:
            _say(f"memory, {options.memory_records:,} records")
            report.figures.append(memory_figure(database, options.memory_records))
    return report


def _race(report: Report, database: Database, options: argparse.Namespace) -> None:
    for size in options.sizes:
        _say(f"race, {size:,} records")
        report.race[size] = Race(database, size).run(options.rounds)
        report.figures += speed_figures(report.race[size])


def _alone(report: Report, empty: Database, full: Database, options: argparse.Namespace) -> None:
    if options.ledger_rows:
        _say(f"filling a ledger with {options.ledger_rows:,} rows")
        full.fill_ledger(options.ledger_rows)
    scenarios = [scenario for scenario in SCENARIOS if options.ledger_rows or not scenario.full]
    _say(f"penstock alone, {options.batch:,} records")
    report.alone = run_scenarios(scenarios, empty, full, size=options.batch, rounds=options.rounds)
    report.figures += cost_figures(report.alone)


def _say(step: str) -> None:
    _talk.print(f"[dim]{step}[/dim]")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m benchmarks.drain", description="Measure the drain and its peers.")
    add = parser.add_argument
    add("--sizes", type=int, nargs="+", default=[100, 1000, 10_000], help="records per event in the race")
    add(
        "--rounds", type=int, default=15, help="rounds at 1,000 records (small events have more, large ones fewer)"
    )
    add("--batch", type=int, default=1000, help="records per event in the scenarios of penstock alone")
    add("--ledger-rows", type=int, default=10_000_000, help="rows in the full ledger; 0 skips its scenarios")
    add(
        "--memory-records",
        type=int,
        default=10_000,
        help="records of the event whose memory is measured; 0 skips it",
    )
    add("--no-fsync", dest="fsync", action="store_false", help="have no commit wait for the disk")
    add("--json", type=Path, default=Path("build/bench-drain.json"), help="where the JSON goes")
    add("--markdown", type=Path, help="where the figures go as a Markdown table, if anywhere")
    return parser


if __name__ == "__main__":
    main()
