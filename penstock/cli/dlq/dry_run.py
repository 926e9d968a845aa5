"""`penstock dlq replay --dry-run | --dry_run`: what a replay would do, with nothing sent."""

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import typer
from sqlalchemy import Engine

from penstock.cli.dlq.messages import counted, progress, tell, tell_missing, tell_unseen
from penstock.cli.support.database import find_database, open_engine
from penstock.cli.support.errors import FAILED
from penstock.cli.support.options import Target
from penstock.cli.support.output import print_line
from penstock.cli.support.service import import_drain
from penstock.cli.support.stage import Queues
from penstock.deadletters import Plan
from penstock.deadletters.message import canonical
from penstock.deadletters.replay.preview import SUCCESSFUL, DryRun, preview

_TRIAL_SECONDS: Final = 10.0


def trial_of(drain: str) -> Callable[[Engine], DryRun]:
    """Return what tries bodies out on a database.

    Raises:
        Failure: the drain cannot be imported.
    """
    from penstock.consumer.dry_run import dry_run  # noqa: PLC0415 (the drain takes long to import, and few ask for it)

    writes = import_drain(drain)
    return lambda engine: lambda bodies: dry_run(writes, engine, bodies, seconds=_TRIAL_SECONDS)


def rehearse(
    queues: Queues,
    plan: Plan,
    try_out: Callable[[Engine], DryRun] | None,
    at: Target,
    database_url: str | None,
    *,
    as_json: bool,
) -> None:
    """Print what a replay would do.

    Raises:
        typer.Exit: something would not land.
    """
    depth = queues.dead.depth()
    if try_out is None:
        seen = _print_preview(queues, plan, None, as_json=as_json)
    else:
        with open_engine(find_database(database_url, at)) as engine:
            seen = _print_preview(queues, plan, try_out(engine), as_json=as_json)
    if seen.counts:
        tell(f"would be: {counted(seen.counts, '')}. The look counted as a receive of each.")
    tell("Nothing was sent.")
    whole = seen.sent != plan.limit
    tell_unseen(queues.dead, depth, plan.selector, seen=seen.looked_at, whole=whole)
    missing = plan.selector.ids - seen.named if whole else frozenset[str]()
    tell_missing(missing)
    if missing or set(seen.counts) - SUCCESSFUL:
        raise typer.Exit(FAILED)


@dataclass(slots=True)
class _Preview:
    """What was printed of a preview.

    Attributes:
        counts: how many would have each outcome.
        named: the ids of those that are meant.
        looked_at: how many dead letters were looked at, meant or not.
        sent: how many would be sent.
    """

    counts: Counter[str] = field(default_factory=Counter)
    named: set[str] = field(default_factory=set)
    looked_at: int = 0
    sent: int = 0


def _print_preview(queues: Queues, plan: Plan, try_out: DryRun | None, *, as_json: bool) -> _Preview:
    done = _Preview()

    def on_page(count: int) -> None:
        done.looked_at += count
        advance(count)

    with progress("looking", queues.dead.depth().total) as advance:
        for one in preview(queues.dead, plan, try_out, on_page=on_page):
            done.counts[one.would] += 1
            done.sent += not one.is_skipped
            if plan.selector.ids:
                done.named |= {one.id or "", canonical(one.message_id)}
            values: dict[str, Any] = asdict(one)
            print_line(values if as_json else values.values(), as_json=as_json)
    return done
