"""`penstock release`: end the hold of a kind."""

from difflib import get_close_matches
from typing import Annotated, Final

import typer

from penstock.cli.dlq.messages import progress_bar
from penstock.cli.hold.release import Release
from penstock.cli.hold.store import HoldStore, open_holds
from penstock.cli.support.actor import actor
from penstock.cli.support.database import DatabaseOption
from penstock.cli.support.errors import USAGE, Failure
from penstock.cli.support.options import Target, on_stage
from penstock.cli.support.output import echo_err
from penstock.cli.support.remote import RemoteOption
from penstock.database.holds import Hold
from penstock.queue.rate_limiter import RateLimiter

EPILOG: Final = (
    "Examples: penstock release order.placed · penstock release order.placed --rate 50 --stage dev. "
    "Exit codes: 0 done, 1 the queue or the database failed, 2 wrong usage, 5 the kind was held again meanwhile, "
    "130 interrupted."
)


@on_stage
def release_(
    *,
    at: Target,
    kind: Annotated[str, typer.Argument(metavar="KIND", help="The kind to release.")],
    rate: Annotated[
        float | None, typer.Option("--rate", min=0.01, max=1e6, help="Send at most this many per second.")
    ] = None,
    database_url: DatabaseOption = None,
    remote: RemoteOption = False,
) -> None:
    """End the hold of a kind: send its parked intents back to the queue, in the order of their arrival.

    Each one is deleted from the table after SQS has acknowledged it. The command can be interrupted and run again
    at any time: an intent that is sent twice takes effect once. New intents are written from the beginning of the
    release on.
    """
    stage = at.open()
    queue = stage.queues().main
    with open_holds(at, database_url, remote=remote) as store:
        parked = _require_hold(store, kind).count
        store.begin_release(kind)
        with progress_bar("released", parked) as advance:
            release = Release(store, queue, kind, RateLimiter(rate), advance)
            ended = False
            try:
                release.run(actor(stage))
                ended = True
            finally:
                rest = "" if ended else "; the rest is still parked: run this again to go on"
                echo_err(f"{release.sent:,} released{rest}")


def _require_hold(store: HoldStore, kind: str) -> Hold:
    """Return the hold of a kind.

    Raises:
        Failure: the kind is not held, and nothing of it is parked.
    """
    holds = {one.kind: one for one in store.list()}
    if kind in holds:
        return holds[kind]
    near = get_close_matches(kind, holds, n=1)
    others = f"did you mean {near[0]!r}?" if near else f"held: {', '.join(holds) or 'nothing'}"
    raise Failure(f"{kind!r} is not held; {others}", USAGE)
