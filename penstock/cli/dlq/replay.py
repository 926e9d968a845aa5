"""`penstock dlq replay`: send dead letters back to the queue."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from botocore.exceptions import ClientError

from penstock.cli.dlq.drain_warning import warn_of_drain
from penstock.cli.dlq.dry_run import print_dry_run
from penstock.cli.dlq.lookup import look_up
from penstock.cli.dlq.messages import report_unseen
from penstock.cli.dlq.native_move import parse_native_rate, run_native_move
from penstock.cli.dlq.recorded_replay import print_result, report_replay, send_canary, send_rest
from penstock.cli.dlq.recording import NoRecordOption, OperationSpec, operations_database, recording
from penstock.cli.dlq.replay_options import (
    AllOption,
    CanaryOption,
    CanarySecondsOption,
    DryRunOption,
    EditOption,
    LimitOption,
    MaxReplaysOption,
    NativeOption,
    RateOption,
    RevealOption,
    ToOption,
    TrialOption,
)
from penstock.cli.dlq.selection import Selection, selection_options
from penstock.cli.dlq.sums import report_sum
from penstock.cli.operate.drain_state import read_drain_state
from penstock.cli.operate.replay import RecordedReplay
from penstock.cli.operate.trial import load_trial
from penstock.cli.support.breaker import mapping_of
from penstock.cli.support.confirm import confirm
from penstock.cli.support.database import DatabaseOption
from penstock.cli.support.errors import USAGE, Failure
from penstock.cli.support.options import JsonOption, NoInputOption, Target, YesOption, on_stage
from penstock.cli.support.service import DrainOption, import_drain
from penstock.cli.support.stage import Queues, Stage
from penstock.deadletters import Plan
from penstock.deadletters.edit.edit import Edit
from penstock.expressions.jmespath import BadExpression
from penstock.queue import SqsQueue, sqs_client


@on_stage
@selection_options
def replay_(
    *,
    at: Target,
    chosen: Selection,
    everything: AllOption = False,
    limit: LimitOption = None,
    rate: RateOption = None,
    dry_run: DryRunOption = False,
    trial: TrialOption = False,
    canary: CanaryOption = None,
    canary_seconds: CanarySecondsOption = 60.0,
    max_replays: MaxReplaysOption = None,
    to: ToOption = None,
    edit: EditOption = None,
    reveal: RevealOption = False,
    native: NativeOption = False,
    drain: DrainOption = None,
    yes: YesOption = False,
    no_input: NoInputOption = False,
    as_json: JsonOption = False,
    database_url: DatabaseOption = None,
    no_record: NoRecordOption = False,
) -> None:
    """Send dead letters back to the queue, and delete each one after SQS has acknowledged it.

    The command prints a line for each dead letter. It can be interrupted and run again at any time: an intent that
    is sent twice takes effect once. With a selector it reads the whole dead-letter queue, which counts as one
    receive of each message. An edit can change `type`, `time`, `dataversion`, `expirytime` and `data` of the
    envelope; the result must be valid for the service; --edit with --dry-run shows what it changes in each
    message. With --native SQS moves the messages, which get new ids; Ctrl-C cancels the move. Before it sends
    anything, the command warns if the drain is off or hands intents back.
    """
    change = _parse_edit(edit) if edit else None
    plan = Plan(
        selector=chosen.explicit_selector(everything=everything),
        limit=limit,
        rate=rate,
        max_replays=max_replays,
        edit=_editor(change, drain) if change else None,
    )
    if reveal and not (edit and (dry_run or trial)):
        raise Failure("--reveal shows what an edit changes: use it with --edit and --dry-run or --trial", USAGE)
    if native:
        _check_native(plan, alone=everything and not (to or canary or dry_run or trial))
    stage = at.open()
    queues = stage.queues()
    if dry_run or trial:
        make_trial = load_trial(drain, stage) if trial else None
        print_dry_run(queues, plan, make_trial, at, database_url, as_json=as_json, reveal=reveal)
        return
    if canary and no_record:
        raise Failure(
            "--canary reads the ledger, so it does not go with --no-record: leave one of them out", USAGE
        )
    plan = replace(plan, selector=look_up(plan.selector, queues.dead, at))
    main = _find_destination(stage, to, queues) if to else queues.main
    depth = queues.dead.depth()
    text = change.text if change else None
    options = {"limit": limit, "rate": rate, "canary": canary, "max_replays": max_replays, "to": to, "edit": text}
    spec = _operation("native-move" if native else "replay", plan, options, stage)
    with operations_database(at, database_url, no_record=no_record) as engine:
        if not to:
            state = read_drain_state(lambda: mapping_of(stage), engine, plan.selector.kinds, at.words)
            warn_of_drain(state, yes=yes, no_input=no_input, asked_anyway=everything)
        if everything:
            what = "all dead letters" if limit is None else f"up to {limit} dead letters"
            confirm(f"Replay {what} (about {depth.total})?", yes=yes, no_input=no_input, needs="--all")
        with recording(spec, engine) as operation:
            if native:
                run_native_move(stage, parse_native_rate(rate), operation, as_json=as_json)
                return
            run = RecordedReplay(queues.dead, main, operation, on_result=partial(print_result, as_json=as_json))
            if canary and engine:
                send_canary(run, queues.dead, plan, engine, count=canary, seconds=canary_seconds)
            summary = send_rest(run, queues.dead, plan)
    complete = summary.stopped is None and run.sent != limit
    report_sum(summary.seen, summary.counts, run.passed_over, unparsed=run.unparsed)
    report_unseen(queues.dead, depth, plan.selector, seen=summary.seen, complete=complete)
    report_replay(summary)


def _check_native(plan: Plan, *, alone: bool) -> None:
    """Check that SQS itself can execute the plan: all dead letters, unchanged.

    Raises:
        Failure: it cannot.
    """
    if not alone or plan != Plan(selector=plan.selector, rate=plan.rate):
        raise Failure("--native moves all dead letters unchanged: use it with --all and --rate only", USAGE)
    parse_native_rate(plan.rate)


def _operation(kind: str, plan: Plan, options: Mapping[str, object], stage: Stage) -> OperationSpec:
    """Describe the replay for the record, by the options that were given."""
    given = {name: value for name, value in options.items() if value is not None}
    return OperationSpec(kind, plan.selector.describe() | given, stage)


def _parse_edit(text: str) -> Edit:
    """Parse the value of `--edit`.

    Raises:
        Failure: it is no edit.
    """
    try:
        return Edit.parse(text)
    except BadExpression as error:
        raise Failure(f"--edit: {error}", USAGE) from None


def _editor(edit: Edit, drain: str | None) -> Callable[[str], str]:
    """Return a function that edits a body and validates the result against the drain's contract.

    Raises:
        Failure: the drain cannot be imported.
    """
    contract = import_drain(drain).contract
    return lambda body: edit.apply(body, contract)


def _find_destination(stage: Stage, to: str, queues: Queues) -> SqsQueue:
    """Return the queue that `--to` names.

    Raises:
        Failure: there is no such queue, or it is the dead-letter queue.
    """
    client = sqs_client(stage.session, stage.endpoint_url)
    name = to.rstrip("/").rsplit("/", 1)[-1]
    if name == queues.dead.url.rsplit("/", 1)[-1]:
        raise Failure(
            "--to: this is the dead-letter queue, where the messages would lose their faults: name another queue",
            USAGE,
        )
    if "://" in to:
        return SqsQueue(to, client)
    try:
        return SqsQueue(client.get_queue_url(QueueName=to)["QueueUrl"], client)
    except ClientError as error:
        if not any(word in str(error) for word in ("NonExistentQueue", "QueueDoesNotExist")):
            raise
        raise Failure(
            f"--to: there is no queue {to} in {stage.session.region_name}: check its name and --region", USAGE
        ) from None
