"""`penstock dlq`: the dead letters of a deployed stage."""

import sys
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from typing import Annotated

import typer

from penstock.cli.failure import CONFIRMATION, FAILED, USAGE, Failure
from penstock.cli.options import JsonOption, NoInputOption, Target, YesOption, on_stage
from penstock.cli.render import print_line, row_of, show
from penstock.deadletters import Everything, Ids, Outcome, Replayed, Selector, Summary, look, replay
from penstock.queue import Queue

app = typer.Typer(
    help="Look at dead letters and send them back.",
    epilog="Examples: penstock dlq list · penstock dlq replay --all",
    no_args_is_help=True,
)


@app.command(
    "list",
    epilog="Examples: penstock dlq list · penstock dlq list --stage dev --json | jq .reason",
)
@on_stage
def list_(
    *,
    at: Target,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Look at this many at most.")] = 100,
    reveal: Annotated[bool, typer.Option("--reveal", help="Show the payloads, which may be personal.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List dead letters: what each was, why it was set aside, when it expires.

    A table on a terminal, tab-separated lines under a header when piped. SQS has no way to peek: each look counts
    as a receive and hides the messages until it is over.
    """
    queues = at.open().queues()
    hidden = queues.dead.depth().in_flight
    with closing(look(queues.dead, limit)) as found:
        rows = (row_of(one, queues.retention_seconds, reveal=reveal) for one in found)
        count = show(rows, as_json=as_json, reveal=reveal)
    _tell_listed(count, limit, hidden)


@app.command(
    "replay",
    epilog="Examples: penstock dlq replay --id 0199a4c2-6a7e-7cc0-8d2e-0b8f6f1f3c11 · "
    "penstock dlq replay --all --yes --stage dev",
)
@on_stage
def replay_(
    *,
    at: Target,
    everything: Annotated[bool, typer.Option("--all", help="All dead letters.")] = False,
    ids: Annotated[
        list[str] | None,
        typer.Option("--id", help="An intent's id, or SQS's id of the message; may be given again."),
    ] = None,
    yes: YesOption = False,
    no_input: NoInputOption = False,
    as_json: JsonOption = False,
) -> None:
    """Send dead letters back to the queue: send, confirm, then delete.

    Prints a line for each. It can be interrupted and run again at any point: an intent that was sent twice still
    takes effect once. With --id the whole dead-letter queue is looked through, which counts as a receive of each
    message in it.
    """
    selector = _selector(everything, ids or [])
    queues = at.open().queues()
    if everything and not yes:
        _confirm(queues.dead, can_ask=not no_input and sys.stdin.isatty() and sys.stderr.isatty())
    counts: Counter[Outcome] = Counter()

    def on_result(result: Replayed) -> None:
        counts[result.outcome] += 1
        values = {
            "outcome": str(result.outcome),
            "message_id": result.message_id,
            "id": result.id,
            "kind": result.kind,
            "code": result.code,
        }
        print_line(values if as_json else values.values(), as_json=as_json)

    hidden = queues.dead.depth().in_flight
    try:
        summary = replay(queues.dead, queues.main, selector, on_result=on_result)
    except BaseException:
        _tell(f"stopped; so far: {_counted(counts)}. Run it again to go on.")
        raise
    _tell_replayed(summary, hidden)


def _selector(everything: bool, ids: list[str]) -> Selector:
    if everything == bool(ids):
        raise Failure("say which dead letters: either --all or --id ID (once or more)", USAGE)
    try:
        return Everything() if everything else Ids.of(ids)
    except ValueError as error:
        raise Failure(f"--id: {error}", USAGE) from None


def _confirm(dead: Queue, *, can_ask: bool) -> None:
    """Ask before everything is replayed.

    Raises:
        Failure: the answer is no, or nobody can be asked.
    """
    if not can_ask:
        raise Failure("--all needs --yes where nobody can be asked; nothing was done", CONFIRMATION)
    if not typer.confirm(f"Replay all dead letters (about {dead.depth().total})?", err=True):
        raise Failure("nothing was done", CONFIRMATION)


def _tell_listed(count: int, limit: int, hidden: int) -> None:
    if count:
        letters = "dead letter" if count == 1 else "dead letters"
        _tell(f"{count} {letters}. This look counted as one receive of each.")
    if count >= limit:
        _tell("There may be more: --limit shows more.")
    _tell_hidden(hidden, seen=count)


def _tell_replayed(summary: Summary, hidden: int) -> None:
    """Sum up on stderr.

    Raises:
        typer.Exit: something failed.
    """
    _tell(_counted(summary.counts))
    if summary.counts.get(Outcome.NOT_DELETED):
        _tell("What was not deleted is on both queues: running again is safe, each intent takes effect once.")
    if summary.counts.get(Outcome.LEFT):
        _tell("What was left had been replayed in this run already: it is a copy, or it failed again.")
    for missing in sorted(summary.missing):
        _tell(f"no dead letter has the id {missing}")
    if summary.stopped:
        _tell(f"given up: the queue refuses everything ({summary.stopped}). Run it again later.")
    _tell_hidden(hidden, seen=summary.seen)
    if summary.failed or summary.missing:
        raise typer.Exit(FAILED)


def _tell_hidden(hidden: int, seen: int) -> None:
    """Say what this run could not see: others' leases, counted before it had any itself."""
    if hidden:
        _tell(f"About {hidden} are leased by another run or one that was cut off: they come back by themselves.")
    elif not seen:
        _tell("There are no dead letters.")


def _counted(counts: Mapping[Outcome, int]) -> str:
    parts = [f"{counts[outcome]} {outcome}" for outcome in Outcome if counts.get(outcome)]
    return ", ".join(parts) or "nothing replayed"


def _tell(text: str) -> None:
    typer.echo(text, err=True)
