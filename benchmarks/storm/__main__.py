"""`make bench-storm`: what becomes of requests when a thousand instances of a function write to one Postgres.

A minute of requests to 1,000 instances, against a Postgres that grants 27 connections. Each contender gets the
same storm twice: once Postgres stays up, once it is restarted in the middle. Then the answers of all callers are
held against the rows in the table.

    connect    connect, insert, close for each request
    kept       one connection for each instance, kept between its requests
    pgbouncer  the same through PgBouncer in transaction mode
    managed    Penstock's managed engine
    penstock   emit to a queue, answer, and let five drains write

docs/figures-storm.md is the output of a run, and says how to read it and what a simulation on one machine does not
show. The exit code is 0 if the measurement itself worked.
"""

import argparse
import resource
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from benchmarks.storm.contenders import CONTENDERS, PGBOUNCER
from benchmarks.storm.model import Storm
from benchmarks.storm.page import write_page
from benchmarks.storm.pgbouncer import pgbouncer_version
from benchmarks.storm.report import RESTART, STEADY, StormReport
from benchmarks.storm.run import run_storm
from benchmarks.storm.server import postgres_version
from penstock.local.errors import LocalError

_stderr = Console(stderr=True)
_stdout = Console(width=None if sys.stdout.isatty() else 160)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the storms, print the tables, write the JSON."""
    options = _parser().parse_args(arguments)
    storm = Storm(options.instances, options.seconds)
    _raise_file_limit(storm)
    try:
        report = measure(storm, options.only)
    except LocalError as error:
        sys.exit(str(error))
    report.show(_stdout)
    report.write(options.json)
    _report_progress(f"written to {options.json}")
    if options.markdown:
        write_page(report, options.markdown)
        _report_progress(f"written to {options.markdown}")


def measure(storm: Storm, contenders: Sequence[str]) -> StormReport:
    """Run a storm against each contender, with and without a restart of Postgres.

    Args:
        storm: the load.
        contenders: the names of the contenders.

    Raises:
        LocalError: a server is not installed, or does not start.
    """
    report = StormReport(storm, _versions(contenders))
    for run, restart in ((STEADY, False), (RESTART, True)):
        report.accounts[run] = {}
        for contender in contenders:
            _report_progress(f"{run}: {contender}")
            report.accounts[run][contender] = run_storm(contender, replace(storm, restart=restart))
    return report


def _versions(contenders: Sequence[str]) -> dict[str, str]:
    """Return the versions of the servers. One that is missing is noticed here, and not in the middle."""
    pooler = {"PgBouncer": pgbouncer_version()} if PGBOUNCER in contenders else {}
    return {"Postgres": postgres_version(), **pooler}


def _raise_file_limit(storm: Storm) -> None:
    """Let this process and its children open enough files.

    PgBouncer and the local AWS have a connection to each instance.
    """
    wanted = storm.instances + 500
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        sys.exit(
            f"{wanted:,} open files are needed, and the limit is {hard:,}: raise it, or use fewer --instances"
        )
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _report_progress(step: str) -> None:
    _stderr.print(f"[dim]{step}[/dim]")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.storm", description="Run a storm against each contender."
    )
    add = parser.add_argument
    add("--instances", type=_positive, default=1000, help="instances, each with one user")
    add("--seconds", type=_positive, default=60, help="for how long requests are sent")
    add("--only", nargs="+", choices=list(CONTENDERS), default=list(CONTENDERS), help="the contenders to run")
    add("--json", type=Path, default=Path("build/bench-storm.json"), help="path of the JSON file")
    add("--markdown", type=Path, help="path of a Markdown page of the figures; none by default")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is less than 1")
    return number


if __name__ == "__main__":
    main()
