"""`penstock dlq replay --dry-run | --trial`: print what a replay would do, and send nothing."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial

import typer
from sqlalchemy import Engine

from penstock.cli.dlq.lookup import look_up
from penstock.cli.dlq.messages import progress_bar, report_missing, report_unseen
from penstock.cli.dlq.previewed import print_previewed
from penstock.cli.dlq.sums import report_sum
from penstock.cli.operate.trial import require_database
from penstock.cli.support.database import find_database, open_engine
from penstock.cli.support.errors import FAILED, Failure
from penstock.cli.support.options import Target
from penstock.cli.support.output import echo_err, format_counts
from penstock.cli.support.stage import Queues
from penstock.consumer.faults.tree import Fault
from penstock.deadletters import Plan
from penstock.deadletters.message import canonical
from penstock.deadletters.replay.preview import SUCCESSFUL, DryRun, Previewed, preview
from penstock.deadletters.scan.passed_over import PassedOver


def print_dry_run(
    queues: Queues,
    plan: Plan,
    make_trial: Callable[[Engine], DryRun] | None,
    at: Target,
    database_url: str | None,
    *,
    as_json: bool,
    reveal: bool,
) -> None:
    """Print what a replay would do with each selected dead letter.

    Args:
        queues: the queues of the stage.
        plan: the replay.
        make_trial: makes a trial on the stage's database, as `load_trial` returns it; None for a dry run without
            the database.
        at: the options that name the stage.
        database_url: the value of `--database-url`.
        as_json: whether to print JSON.
        reveal: whether to show the values that an edit changes.

    Raises:
        typer.Exit: a dead letter would fail again, or an id was not found.
    """
    with _connected(make_trial, at, database_url) as trial:
        # Only now, since the look leases, and a trial without its database leases nothing.
        plan = replace(plan, selector=look_up(plan.selector, queues.dead, at))
        depth = queues.dead.depth()
        show = partial(print_previewed, as_json=as_json, edited=plan.edit is not None, reveal=reveal)
        with _translate_fault():
            result = _print_preview(queues, plan, trial, show)
    if result.counts:
        echo_err(f"would be: {format_counts(result.counts, '')}. This run counted as one receive of each message.")
    echo_err("Nothing was sent.")
    complete = result.sent != plan.limit
    report_sum(result.seen, result.counts, result.passed_over, unparsed=result.unparsed)
    report_unseen(queues.dead, depth, plan.selector, seen=result.seen, complete=complete)
    missing = plan.selector.ids - result.names if complete else frozenset[str]()
    report_missing(missing)
    if missing or set(result.counts) - SUCCESSFUL:
        raise typer.Exit(FAILED)


@contextmanager
def _connected(
    make_trial: Callable[[Engine], DryRun] | None, at: Target, database_url: str | None
) -> Iterator[DryRun | None]:
    """Give the trial on the stage's database, which is known to answer; None if there is to be none.

    Raises:
        Failure: the database is not known, or cannot be reached.
    """
    if make_trial is None:
        yield None
        return
    with open_engine(find_database(database_url, at)) as engine:
        require_database(engine)
        yield make_trial(engine)


@contextmanager
def _translate_fault() -> Iterator[None]:
    """Say in one line why a trial has no result.

    Raises:
        Failure: the database became unwell, for example.
    """
    try:
        yield
    except Fault as error:
        text = f"the trial stopped: {error.cause}"
        raise Failure(f"{text}\nNothing was sent. Check the database, and run the command again") from error


@dataclass(slots=True)
class _PreviewTotals:
    """The totals of a dry run.

    Attributes:
        counts: the number of dead letters by what would become of them.
        names: the ids of the selected dead letters, filled only for a selection by id.
        seen: the number of messages that were read, selected or not.
        sent: the number of messages that would be sent.
        unparsed: how many of the selected messages cannot be parsed.
        passed_over: the messages that were read and not selected.
    """

    counts: Counter[str] = field(default_factory=Counter)
    names: set[str] = field(default_factory=set)
    seen: int = 0
    sent: int = 0
    unparsed: int = 0
    passed_over: PassedOver = field(default_factory=PassedOver)


def _print_preview(
    queues: Queues, plan: Plan, trial: DryRun | None, show: Callable[[Previewed], None]
) -> _PreviewTotals:
    totals = _PreviewTotals()

    def on_page(count: int) -> None:
        totals.seen += count
        advance(count)

    with progress_bar("reading", queues.dead.depth().total) as advance:
        for one in preview(queues.dead, plan, trial, on_page=on_page, on_skip=totals.passed_over.add):
            totals.counts[one.would] += 1
            totals.unparsed += not one.id
            totals.sent += not one.is_skipped
            if plan.selector.ids:
                totals.names |= {one.id or "", canonical(one.message_id)}
            show(one)
    return totals
