"""`penstock explain`: the statements of a kind on the live database, and their plans."""

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Final

import typer
from sqlalchemy import Engine

from penstock.cli.dlq.selection import Selection, selection_of_kind_options
from penstock.cli.explain.intents import Source
from penstock.cli.explain.output import print_explanation, write_page
from penstock.cli.support.database import DatabaseOption, find_database, open_engine
from penstock.cli.support.errors import FAILED, USAGE, Failure
from penstock.cli.support.options import JsonOption, Target, on_stage
from penstock.cli.support.output import echo_err, escape_control, print_line
from penstock.cli.support.service import DrainOption, import_drain
from penstock.consumer import Drain
from penstock.consumer.faults.tree import DeploymentFault, Fault
from penstock.consumer.modes.base import Bound
from penstock.consumer.schema_check.check import check_schema
from penstock.consumer.schema_check.finding import Severity
from penstock.explain.document import document
from penstock.explain.hints.find import find_hints, find_side_effects
from penstock.explain.run import Explanation, explain, explain_unexecuted, find_bound
from penstock.intents import WriteIntent

EPILOG: Final = (
    "Examples: penstock explain stock.adjusted · penstock explain page.viewed --no-analyze · "
    "penstock explain order.placed --sample orders.ndjson --html plan.html · "
    "penstock explain order.placed --dead-letters --since 2h --stage dev. "
    "Exit codes: 0 explained, 1 no intent can be written, or the database cannot be reached, 2 wrong usage, "
    "4 wrong credentials, 130 interrupted."
)
MOST_ROWS: Final = 10_000
_DEFAULT_ROWS: Final = 100
_DEFAULT_SECONDS: Final = 10
_MOST_SECONDS: Final = 900
_CATALOG_SECONDS: Final = 15.0

_MORE_TIME: Final = "If it took too long, give more time with --timeout, or fewer intents with --rows"
_CHECK: Final = "`penstock check` compares the tables with the bindings"
_GIVE_SAMPLES: Final = (
    "The intents were made up. Give the fields `examples`, or real intents with --sample FILE or --dead-letters"
)


@on_stage
@selection_of_kind_options
def explain_(
    *,
    kind: Annotated[str, typer.Argument(metavar="KIND", help="The kind, or one of its aliases.")],
    at: Target,
    chosen: Selection,
    rows: Annotated[
        int,
        typer.Option("--rows", min=1, max=MOST_ROWS, help="How many samples to make up, or to read at most."),
    ] = _DEFAULT_ROWS,
    sample: Annotated[
        str | None,
        typer.Option(
            "--sample",
            metavar="FILE",
            help="Explain the intents of a file, as `penstock emit` reads it; - for stdin.",
        ),
    ] = None,
    dead_letter: Annotated[
        list[str] | None,
        typer.Option("--dead-letter", metavar="ID", help="Explain this dead letter. Can be given several times."),
    ] = None,
    dead_letters: Annotated[
        bool, typer.Option("--dead-letters", help="Explain the dead letters of the kind.")
    ] = False,
    no_analyze: Annotated[
        bool, typer.Option("--no-analyze", help="Plan the statements only; execute nothing.")
    ] = False,
    timeout: Annotated[
        int,
        typer.Option(
            "--timeout",
            min=1,
            max=_MOST_SECONDS,
            help="The seconds that the transaction may take, with its locks.",
        ),
    ] = _DEFAULT_SECONDS,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", dir_okay=False, help="Write a page of HTML to a file.")
    ] = None,
    drain: DrainOption = None,
    database_url: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Explain a kind: what the drain sends to Postgres for it, and how Postgres executes that.

    The drain writes some intents in a transaction that is rolled back, and each statement is explained with
    EXPLAIN ANALYZE: the time, rows and blocks of each step, and the time of triggers. Hints name what is worth
    changing. The intents are made up, half of them with keys that exist; or they come from a file or from the
    dead-letter queue. No value of an intent is shown.

    Statements are executed, so that triggers run and sequences advance; both are named before. Rows are locked
    as by the drain, for a moment. --no-analyze executes nothing.
    """
    source = Source(rows, sample, dead_letter or (), chosen, dead_letters=dead_letters)
    source.check()
    writes = import_drain(drain)
    intent, bound = _find(writes, kind)
    with open_engine(find_database(database_url, at)) as engine:
        bodies = source.bodies(intent, bound, engine, at)
        found = _explain(writes, engine, bound, bodies, timeout, analyze=not no_analyze)
        _output(found, html, as_json=as_json)
        _report_faults(found, writes, engine, made_up=source.is_made_up)


def _find(drain: Drain, kind: str) -> tuple[type[WriteIntent], Bound]:
    """Find a kind among those that the drain writes.

    Raises:
        Failure: there is none of this name.
    """
    writes = drain.bound()
    intent = drain.contract.intent_of(kind) if writes else None
    bound = find_bound(writes, intent.intent_kind) if intent else None
    if intent is None or bound is None:
        kinds = [one.kind for one in writes]
        similar = get_close_matches(kind, kinds) or kinds
        raise Failure(f"the drain writes no kind {kind!r}: give one of {', '.join(similar) or 'its own'}", USAGE)
    return intent, bound


def _explain(
    drain: Drain, engine: Engine, bound: Bound, bodies: Sequence[str], seconds: int, *, analyze: bool
) -> Explanation:
    """Explain the intents, and look for hints.

    Raises:
        Failure: there is no result.
    """
    if analyze:
        for sentence in find_side_effects(engine, bound, seconds=_CATALOG_SECONDS):
            echo_err(f"note: {escape_control(sentence)}")
    try:
        run = explain if analyze else explain_unexecuted
        found = run(drain, engine, bound.kind, bodies, seconds=seconds)
    except Fault as fault:
        if isinstance(fault, DeploymentFault):
            _print_findings(drain, engine, bound.kind)
        way_out = "" if isinstance(fault, DeploymentFault) else f"\n{_MORE_TIME}"
        raise Failure(f"{bound.kind} cannot be explained: {_named(fault)}{way_out}") from fault
    found.hints = find_hints(engine, bound, found, seconds=_CATALOG_SECONDS)
    return found


def _output(found: Explanation, html: Path | None, *, as_json: bool) -> None:
    """Print or write the explanation; the plans of intents that cannot be written say nothing."""
    if as_json:
        print_line(document(found), as_json=True)
    if found.nothing_is_written:
        return
    if not as_json and html is None:
        print_explanation(found)
    if html is not None:
        write_page(found, html)
        echo_err(f"{html} is written")


def _report_faults(found: Explanation, drain: Drain, engine: Engine, *, made_up: bool) -> None:
    """Print why intents would not be written, and the findings of the schema check if the deployment is at fault.

    Raises:
        typer.Exit: none of them would be written.
    """
    for fault, count in found.faults.items():
        echo_err(f"{count:,} of {found.intents:,} intents would not be written: {escape_control(fault)}")
    if found.deployment_fault:
        _print_findings(drain, engine, found.kind)
    elif found.faults:
        echo_err(_MORE_TIME if found.environment_fault else _GIVE_SAMPLES if made_up else _CHECK)
    if found.nothing_is_written:
        raise typer.Exit(FAILED)


def _print_findings(drain: Drain, engine: Engine, kind: str) -> None:
    """Print what `penstock check` finds about the database and the kind."""
    for finding in check_schema(engine, drain):
        if finding.kind in {None, kind} and finding.severity is not Severity.NOTE:
            echo_err(f"{finding.severity}: {escape_control(finding)}")


def _named(fault: Fault) -> str:
    return escape_control(f"{type(fault).__name__}: {fault}")
