"""`penstock hold`: do not write the intents of one kind for now, or list what is held."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer

from penstock.cli.hold.store import HoldStore, open_holds
from penstock.cli.support.actor import actor
from penstock.cli.support.column import Column
from penstock.cli.support.database import DatabaseOption
from penstock.cli.support.errors import USAGE, Failure
from penstock.cli.support.intents import ModulesOption, find_kind
from penstock.cli.support.listing import print_rows
from penstock.cli.support.options import JsonOption, Target, on_stage
from penstock.cli.support.output import echo_err, format_duration
from penstock.cli.support.remote import RemoteOption
from penstock.consumer.pipeline.holding import KNOWN_SECONDS
from penstock.database.holds import Hold

EPILOG: Final = (
    "Examples: penstock hold · penstock hold order.placed --reason 'new column' · "
    "penstock hold --stage dev --remote --json. Exit codes: 0 done, 1 the database cannot be reached, 2 wrong "
    "usage."
)


_COLUMNS: Final = (
    Column(name="kind", whole=True),
    Column(name="state"),
    Column(name="count", right=True),
    Column(name="since", whole=True, rank=1),
    Column(name="oldest", whole=True, rank=2),
    Column(name="releasing_since", whole=True, rank=3),
    Column(name="payload_of", rank=4),
    Column(name="by", rank=1),
    Column(name="reason"),
)


@on_stage
def hold_(
    *,
    at: Target,
    kind: Annotated[
        str | None, typer.Argument(metavar="[KIND]", help="The kind to hold; without it the holds are listed.")
    ] = None,
    reason: Annotated[str | None, typer.Option("--reason", help="The reason, which the list shows.")] = None,
    module: ModulesOption = None,
    database_url: DatabaseOption = None,
    remote: RemoteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Hold the intents of a kind back until `penstock release`, or list the kinds that are held.

    Producers go on to answer 202. The drain parks the intents of the kind in the table `penstock.held`; they are
    pending meanwhile. A running drain learns of the hold within seconds. A kind of a FIFO queue cannot be held.
    """
    if kind is None:
        if reason is not None:
            raise Failure("--reason needs a KIND to hold", USAGE)
        with open_holds(at, database_url, remote=remote) as store:
            _print_list(store, as_json=as_json)
        return
    name = find_kind(kind, module).intent_kind
    stage = at.open()
    if stage.queues().main.fifo:
        raise Failure(
            "the queue is a FIFO queue: what is emitted later would overtake the intents that are held. "
            "`penstock breaker open` stops the whole drain and keeps the order",
            USAGE,
        )
    with open_holds(at, database_url, remote=remote) as store:
        store.hold(name, reason, actor(stage))
        echo_err(f"{name} is held; running drains take notice within {KNOWN_SECONDS:.0f} s and one batch")
        _print_list(store, as_json=as_json)


def _print_list(store: HoldStore, *, as_json: bool) -> None:
    holds = store.list()
    now = datetime.now(UTC)
    print_rows(map(_row, holds), _COLUMNS, as_json=as_json)
    for one in holds:
        if one.payload_at:
            echo_err(
                f"{one.kind}: the oldest large intent is of {one.payload_at}. The bucket deletes a payload after "
                "its `payloads.days` (60 by default); the intent then becomes a dead letter at its release"
            )
        if one.oldest_at:
            echo_err(
                f"{one.kind}: the first intent waits for {format_duration((now - one.oldest_at).total_seconds())}"
            )
    if not holds:
        echo_err("no kind is held")


def _row(one: Hold) -> dict[str, Any]:
    state = "left" if one.held_by is None else "releasing" if one.releasing_at else "held"
    times = {"since": one.held_at, "oldest": one.oldest_at, "releasing_since": one.releasing_at}
    return {
        "kind": one.kind,
        "state": state,
        "count": one.count,
        **{name: time.isoformat(timespec="seconds") if time else None for name, time in times.items()},
        "payload_of": one.payload_at.isoformat() if one.payload_at else None,
        "by": one.held_by,
        "reason": one.reason,
    }
