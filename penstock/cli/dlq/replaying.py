"""`penstock dlq replay`: sending dead letters back to the queue."""

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Annotated, Any, Final
from uuid import UUID

import typer
from botocore.exceptions import ClientError
from sqlalchemy import Engine

from penstock.cli.confirm import confirm
from penstock.cli.database import DatabaseOption, connecting, find_database
from penstock.cli.dlq.moving import move_natively, whole_rate
from penstock.cli.dlq.record import Doing, NoRecordOption, recording
from penstock.cli.dlq.selection import Selection, selecting
from penstock.cli.dlq.talk import counted, progress, tell, tell_hidden, tell_missing
from penstock.cli.failure import FAILED, USAGE, Failure
from penstock.cli.options import JsonOption, NoInputOption, Target, YesOption, on_stage
from penstock.cli.render import print_line
from penstock.cli.service import DRAIN, DrainOption, import_drain
from penstock.cli.stage import Queues, Stage
from penstock.consumer.trial import trial
from penstock.database import operations
from penstock.database.operations import Operation
from penstock.deadletters import Outcome, Plan, Replayed, Summary, replay
from penstock.deadletters.canary import Canary, is_well
from penstock.deadletters.edit import Edit
from penstock.deadletters.expression import BadExpression
from penstock.deadletters.preview import WOULD_LAND, Trial, preview
from penstock.queue import SqsQueue, sqs_client

_TRIAL_SECONDS: Final = 10.0


@on_stage
@selecting
def replay_(
    *,
    at: Target,
    chosen: Selection,
    everything: Annotated[bool, typer.Option("--all", help="All dead letters.")] = False,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Send this many at most.")] = None,
    rate: Annotated[
        float | None, typer.Option("--rate", min=0.01, help="Send this many per second at most.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be sent; send nothing.")] = False,
    trial_: Annotated[
        bool,
        typer.Option(
            "--trial", help="A dry run that also asks the database what would become of each, and undoes it."
        ),
    ] = False,
    canary: Annotated[
        int | None, typer.Option("--canary", min=1, help="Send this many first; go on only if they take effect.")
    ] = None,
    canary_seconds: Annotated[
        float, typer.Option("--canary-seconds", min=1, help="Wait this long for their outcomes.")
    ] = 60.0,
    max_replays: Annotated[
        int | None, typer.Option("--max-replays", min=1, help="Leave what has been replayed this often.")
    ] = None,
    to: Annotated[str | None, typer.Option("--to", help="Send to this queue: its name, or its URL.")] = None,
    edit: Annotated[
        str | None,
        typer.Option("--edit", help="Change each on the way: a JMESPath expression, a JSON Patch, or @FILE."),
    ] = None,
    native: Annotated[
        bool, typer.Option("--native", help="Have SQS itself move all of them: with --all and --rate only.")
    ] = False,
    drain: DrainOption = DRAIN,
    yes: YesOption = False,
    no_input: NoInputOption = False,
    as_json: JsonOption = False,
    database_url: DatabaseOption = None,
    no_record: NoRecordOption = False,
) -> None:
    """Send dead letters back to the queue: send, confirm, then delete.

    Prints a line for each. It can be interrupted and run again at any point: an intent that was sent twice still
    takes effect once. With a selector the whole dead-letter queue is looked through, which counts as a receive of
    each message in it. An edit may change `type`, `time`, `dataversion` and `data` of the envelope; what comes of
    it has to be what the service takes. With --native SQS moves them, with new ids; Ctrl-C cancels.
    """
    selector = chosen.to_act_on(everything=everything)
    plan = Plan(
        selector=selector,
        limit=limit,
        rate=rate,
        max_replays=max_replays,
        edit=_edit(edit, drain) if edit else None,
    )
    if native and (
        not everything or to or canary or dry_run or trial_ or plan != Plan(selector=selector, rate=rate)
    ):
        raise Failure("--native moves all dead letters as they are: it goes with --all and --rate only", USAGE)
    native_rate = whole_rate(rate) if native else None
    stage = at.open()
    queues = stage.queues()
    if dry_run or trial_:
        try_out = _trial_of(drain) if trial_ else None
        _preview(queues, plan, try_out, at, database_url, as_json=as_json)
        return
    if canary and no_record:
        raise Failure("--canary asks the ledger: it does not go with --no-record", USAGE)
    main = _destination(stage, to) if to else queues.main
    if everything:
        question = f"Replay all dead letters (about {queues.dead.depth().total})?"
        confirm(question, yes=yes, no_input=no_input, needs="--all")
    asked = {"limit": limit, "rate": rate, "canary": canary, "max_replays": max_replays, "to": to, "edit": edit}
    selection = selector.describe() | {name: value for name, value in asked.items() if value is not None}
    doing = Doing("native-move" if native else "replay", selection, stage)
    hidden = queues.dead.depth().in_flight
    with recording(doing, at, database_url, no_record=no_record) as (operation, engine):
        if native:
            move_natively(stage, native_rate, operation, as_json=as_json)
            return
        run = _Replay(queues, main, operation, as_json=as_json)
        if canary and engine:
            run.canary(plan, canary, Canary(engine), canary_seconds)
        summary = run.rest(plan, canary)
    _tell_replayed(summary, hidden)


class _Replay:
    """A replay that prints what it does, and keeps its record up to date."""

    def __init__(self, queues: Queues, main: SqsQueue, operation: Operation, *, as_json: bool) -> None:
        self._queues = queues
        self._main = main
        self._operation = operation
        self._as_json = as_json
        self._counts: Counter[str] = Counter()
        self._sent: list[UUID | None] = []

    def canary(self, plan: Plan, count: int, watch: Canary, seconds: float) -> None:
        """Send a few and wait for their outcomes.

        Raises:
            Failure: they are not well; nothing else was sent.
        """
        summary = self._go(replace(plan, limit=min(count, plan.limit or count)))
        ids = [one for one in self._sent if one]
        found = watch.wait(ids, seconds)
        told = counted(found, "nothing sent")
        tell(f"canary: {told}")
        unwatched = len(self._sent) - len(ids)
        if is_well(found) and not unwatched and not summary.failed and not summary.stopped:
            return
        self._operation.outcome = operations.FAILED
        unknown = f", {unwatched} without an id to ask the ledger by" if unwatched else ""
        raise Failure(
            f"the canary is not well: {told}{unknown}; nothing else was sent. "
            "`penstock dlq list` shows what became of it, `--trial` what would become of the rest"
        )

    def rest(self, plan: Plan, canary: int | None) -> Summary:
        """Send what is left to be sent."""
        if canary and plan.limit is not None:
            plan = replace(plan, limit=max(0, plan.limit - canary))
        return self._go(plan)

    def _go(self, plan: Plan) -> Summary:
        self._sent.clear()
        with progress("replaying", self._queues.dead.depth().total) as advance:
            try:
                summary = replay(self._queues.dead, self._main, plan, on_result=self._take, on_page=advance)
            except BaseException:
                tell(f"stopped; so far: {counted(self._counts, 'nothing replayed')}. Run it again to go on.")
                raise
        if summary.failed or summary.stopped:
            self._operation.outcome = operations.FAILED
        return summary

    def _take(self, one: Replayed) -> None:
        self._counts[one.outcome] += 1
        self._operation.counts = dict(self._counts)
        if one.outcome in {Outcome.REPLAYED, Outcome.NOT_DELETED}:
            self._sent.append(one.intent_id)
        values = asdict(one)
        del values["intent_id"]
        print_line(values if self._as_json else values.values(), as_json=self._as_json)


def _edit(text: str, drain: str) -> Callable[[str], str]:
    """Return what edits a body, so that this service takes it.

    Raises:
        Failure: the edit cannot be read, or the drain cannot be imported.
    """
    try:
        edit = Edit.parse(text)
    except BadExpression as error:
        raise Failure(f"--edit: {error}", USAGE) from None
    contract = import_drain(drain).contract
    return lambda body: edit.apply(body, contract)


def _trial_of(drain: str) -> Callable[[Engine], Trial]:
    writes = import_drain(drain)
    return lambda engine: lambda bodies: trial(writes, engine, bodies, seconds=_TRIAL_SECONDS)


def _destination(stage: Stage, to: str) -> SqsQueue:
    """Find another queue to send to.

    Raises:
        Failure: there is none of that name.
    """
    client = sqs_client(stage.session, stage.endpoint_url)
    if "://" in to:
        return SqsQueue(to, client)
    try:
        return SqsQueue(client.get_queue_url(QueueName=to)["QueueUrl"], client)
    except ClientError as error:
        if "NonExistentQueue" not in str(error):
            raise
        raise Failure(f"--to: there is no queue {to}", USAGE) from None


def _preview(
    queues: Queues,
    plan: Plan,
    try_out: Callable[[Engine], Trial] | None,
    at: Target,
    database_url: str | None,
    *,
    as_json: bool,
) -> None:
    """Print what a replay would do.

    Raises:
        typer.Exit: something would not land.
    """
    if try_out is None:
        counts = _print_preview(queues, plan, None, as_json=as_json)
    else:
        with connecting(find_database(database_url, at)) as engine:
            counts = _print_preview(queues, plan, try_out(engine), as_json=as_json)
    tell(f"would be {counted(counts, 'nothing')}; nothing was sent. The look counted as a receive of each.")
    if set(counts) - WOULD_LAND:
        raise typer.Exit(FAILED)


def _print_preview(queues: Queues, plan: Plan, try_out: Trial | None, *, as_json: bool) -> Counter[str]:
    counts: Counter[str] = Counter()
    with progress("looking", queues.dead.depth().total) as advance:
        for one in preview(queues.dead, plan, try_out, on_page=advance):
            counts[one.would] += 1
            values: dict[str, Any] = asdict(one)
            print_line(values if as_json else values.values(), as_json=as_json)
    return counts


def _tell_replayed(summary: Summary, hidden: int) -> None:
    """Sum up on stderr.

    Raises:
        typer.Exit: something failed.
    """
    tell(counted(summary.counts, "nothing replayed"))
    if summary.counts.get(Outcome.NOT_DELETED):
        tell("What was not deleted is on both queues: running again is safe, each intent takes effect once.")
    if summary.counts.get(Outcome.LEFT):
        tell("What was left has come back from this run, or was replayed too often before: see the code of each.")
    tell_missing(summary.missing)
    if summary.stopped:
        tell(f"given up: the queue refuses everything ({summary.stopped}). Run it again later.")
    tell_hidden(hidden, seen=summary.seen)
    if summary.failed or summary.missing:
        raise typer.Exit(FAILED)
