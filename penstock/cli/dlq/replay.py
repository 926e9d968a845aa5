"""`penstock dlq replay`: sending dead letters back to the queue."""

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, replace
from math import isfinite
from typing import Annotated, Final

import typer
from botocore.exceptions import ClientError
from sqlalchemy.exc import SQLAlchemyError

from penstock.cli.dlq.dry_run import rehearse, trial_of
from penstock.cli.dlq.messages import counted, progress, tell, tell_missing, tell_unseen
from penstock.cli.dlq.native_move import move_natively, whole_rate
from penstock.cli.dlq.recording import NoRecordOption, OperationSpec, first_line, recording
from penstock.cli.dlq.selection import Selection, selecting
from penstock.cli.support.aws_errors import CREDENTIAL_CODES
from penstock.cli.support.confirm import confirm
from penstock.cli.support.database import DatabaseOption
from penstock.cli.support.errors import CREDENTIALS, FAILED, USAGE, Failure
from penstock.cli.support.options import JsonOption, NoInputOption, Target, YesOption, on_stage
from penstock.cli.support.output import print_line
from penstock.cli.support.service import DRAIN, DrainOption, import_drain
from penstock.cli.support.stage import Queues, Stage
from penstock.database import operations
from penstock.database.operations import Operation
from penstock.deadletters import Plan, Replayed, ReplayOutcome, Summary, replay
from penstock.deadletters.condition import Condition
from penstock.deadletters.edit.edit import Edit
from penstock.deadletters.message import canonical
from penstock.deadletters.replay.canary import Canary, all_took_effect
from penstock.expressions.jmespath import BadExpression
from penstock.queue import SqsQueue, sqs_client

_SENT: Final = frozenset({ReplayOutcome.REPLAYED, ReplayOutcome.NOT_DELETED})


def _finite(value: float | None) -> float | None:
    if value is not None and not isfinite(value):
        raise typer.BadParameter(f"{value} is no number to count by")
    return value


@on_stage
@selecting
def replay_(
    *,
    at: Target,
    chosen: Selection,
    everything: Annotated[bool, typer.Option("--all", help="All dead letters.")] = False,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Send this many at most.")] = None,
    rate: Annotated[
        float | None,
        typer.Option("--rate", min=0.01, callback=_finite, help="Send this many per second at most."),
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
        float,
        typer.Option("--canary-seconds", min=1, callback=_finite, help="Wait this long for their outcomes."),
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
        try_out = trial_of(drain) if trial_ else None
        rehearse(queues, plan, try_out, at, database_url, as_json=as_json)
        return
    if canary and no_record:
        raise Failure("--canary asks the ledger: it does not go with --no-record", USAGE)
    main = _destination(stage, to, queues) if to else queues.main
    depth = queues.dead.depth()
    if everything:
        what = "all dead letters" if limit is None else f"up to {limit} dead letters"
        confirm(f"Replay {what} (about {depth.total})?", yes=yes, no_input=no_input, needs="--all")
    asked = {"limit": limit, "rate": rate, "canary": canary, "max_replays": max_replays, "to": to, "edit": edit}
    selection = selector.describe() | {name: value for name, value in asked.items() if value is not None}
    doing = OperationSpec("native-move" if native else "replay", selection, stage)
    with recording(doing, at, database_url, no_record=no_record) as (operation, engine):
        if native:
            move_natively(stage, native_rate, operation, as_json=as_json)
            return
        run = _Replay(queues, main, operation, as_json=as_json)
        if canary and engine:
            run.canary(plan, canary, Canary(engine), canary_seconds)
        summary = run.rest(plan)
    whole = summary.stopped is None and run.sent != limit
    tell_unseen(queues.dead, depth, selector, seen=summary.seen, whole=whole)
    _tell_replayed(summary)


class _Replay:
    """A replay that prints what it does, and keeps its record up to date."""

    def __init__(self, queues: Queues, main: SqsQueue, operation: Operation, *, as_json: bool) -> None:
        self._queues = queues
        self._main = main
        self._operation = operation
        self._as_json = as_json
        self._counts: Counter[str] = Counter()
        self._canaries: dict[str, Replayed] = {}
        self._begun = False

    @property
    def sent(self) -> int:
        """How many have been sent."""
        return sum(self._counts[outcome] for outcome in _SENT)

    def canary(self, plan: Plan, count: int, watch: Canary, seconds: float) -> None:
        """Send a few and wait for their outcomes.

        Raises:
            Failure: they are not well; nothing else was sent.
        """
        summary = self._go(replace(plan, limit=min(count, plan.limit or count)))
        sent = [one.intent_id for one in self._canaries.values() if one.outcome in _SENT]
        ids = [one for one in sent if one]
        try:
            found = watch.wait(ids, seconds)
        except SQLAlchemyError as error:
            text = f"the ledger cannot be asked after the canary: {first_line(error)}"
            raise Failure(f"{text}\nNothing else was sent") from error
        told = counted(found, "nothing sent")
        tell(f"canary: {told}")
        unwatched = len(sent) - len(ids)
        if all_took_effect(found) and not unwatched and not summary.failed and not summary.stopped:
            return
        unknown = f", {unwatched} without an id to ask the ledger by" if unwatched else ""
        refused = f", {summary.failed} refused" if summary.failed else ""
        raise Failure(
            f"the canary is not well: {told}{unknown}{refused}; nothing else was sent. "
            "`penstock dlq list` shows what became of it, `--dry_run` what would become of the rest"
        )

    def rest(self, plan: Plan) -> Summary:
        """Send what is left to be sent; return what became of all, the canary included."""
        sent, self._begun = self.sent, True
        named = {name for one in self._canaries.values() for name in (one.id, canonical(one.message_id))}
        summary = self._go(replace(plan, limit=None if plan.limit is None else plan.limit - sent))
        counts = {ReplayOutcome(outcome): count for outcome, count in self._counts.items()}
        return replace(summary, counts=counts, missing=summary.missing - named, seen=summary.seen + sent)

    def _go(self, plan: Plan) -> Summary:
        if isinstance(plan.selector.where, Condition) and plan.limit != 0:
            plan.selector.where.failed = 0
        with progress("replaying", self._queues.dead.depth().total) as advance:
            summary = replay(self._queues.dead, self._main, plan, on_result=self._take, on_page=advance)
        if summary.failed or summary.stopped:
            self._operation.outcome = operations.FAILED
        return summary

    def _take(self, one: Replayed) -> None:
        if one.message_id in self._canaries:
            return  # What is left is met again after the canary.
        if not self._begun:
            self._canaries[one.message_id] = one
        self._counts[one.outcome] += 1
        self._operation.counts = dict(self._counts)
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


def _destination(stage: Stage, to: str, queues: Queues) -> SqsQueue:
    """Find another queue to send to.

    Raises:
        Failure: there is none of that name, or it is the dead-letter queue.
    """
    client = sqs_client(stage.session, stage.endpoint_url)
    name = to.rstrip("/").rsplit("/", 1)[-1]
    if name == queues.dead.url.rsplit("/", 1)[-1]:
        raise Failure("--to: that is the dead-letter queue: the reason of each would be gone", USAGE)
    if "://" in to:
        return SqsQueue(to, client)
    try:
        return SqsQueue(client.get_queue_url(QueueName=to)["QueueUrl"], client)
    except ClientError as error:
        if not any(word in str(error) for word in ("NonExistentQueue", "QueueDoesNotExist")):
            raise
        raise Failure(f"--to: there is no queue {to}", USAGE) from None


def _tell_replayed(summary: Summary) -> None:
    """Say on stderr what calls for an explanation.

    Raises:
        Failure: AWS does not let us, or not any more.
        typer.Exit: something else failed.
    """
    if summary.counts.get(ReplayOutcome.NOT_DELETED):
        tell("What was not deleted is on both queues: running again is safe, each intent takes effect once.")
    if summary.counts.get(ReplayOutcome.LEFT):
        tell("What was left has come back from this run, or was replayed too often before: see the code of each.")
    tell_missing(summary.missing)
    if summary.stopped in CREDENTIAL_CODES:
        text = f"given up: SQS refuses us ({summary.stopped})"
        raise Failure(f"{text}\nCheck the AWS credentials, and run it again: it goes on from there", CREDENTIALS)
    if summary.stopped:
        tell(f"given up: the queue refuses everything ({summary.stopped}). Run it again later.")
    if summary.failed or summary.missing:
        raise typer.Exit(FAILED)
