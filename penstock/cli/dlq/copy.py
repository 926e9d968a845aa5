"""`penstock dlq copy`: send copies of dead letters to another stage or account."""

from dataclasses import asdict, replace
from typing import Annotated, Any

import typer

from penstock.cli.dlq.lookup import look_up
from penstock.cli.dlq.messages import progress_bar, report_missing, report_unseen
from penstock.cli.dlq.recording import NoRecordOption, OperationSpec, operations_database, recording
from penstock.cli.dlq.replay_options import AllOption, RateOption
from penstock.cli.dlq.selection import Selection, selection_options
from penstock.cli.dlq.steps import print_step
from penstock.cli.dlq.sums import report_sum
from penstock.cli.operate.copy import run_copy
from penstock.cli.operate.copy_target import CopyTarget, find_copy_target
from penstock.cli.support.aws_errors import CREDENTIAL_CODES
from penstock.cli.support.confirm import confirm
from penstock.cli.support.database import DatabaseOption
from penstock.cli.support.errors import CREDENTIALS, FAILED, Failure
from penstock.cli.support.options import JsonOption, NoInputOption, Target, YesOption, on_stage
from penstock.cli.support.output import echo_err, format_counts
from penstock.deadletters.replay.copy import Copied, CopyOutcome, CopyPlan, CopySummary, copy_letters
from penstock.deadletters.scan.passed_over import PassedOver


@on_stage
@selection_options
def copy_(
    *,
    at: Target,
    chosen: Selection,
    everything: AllOption = False,
    to_stage: Annotated[
        str | None, typer.Option("--to-stage", help="Copy to the dead-letter queue of this stage of the service.")
    ] = None,
    to: Annotated[
        str | None, typer.Option("--to", help="Copy to the dead-letter queue with this URL, of any account.")
    ] = None,
    to_profile: Annotated[
        str | None, typer.Option("--to-profile", help="The profile of the AWS configuration for the other side.")
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Copy at most this many.")] = None,
    rate: RateOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be copied, and send nothing.")
    ] = False,
    yes: YesOption = False,
    no_input: NoInputOption = False,
    as_json: JsonOption = False,
    database_url: DatabaseOption = None,
    no_record: NoRecordOption = False,
) -> None:
    """Send copies of dead letters, with their payloads, to the dead-letter queue of another stage or account.

    The dead letters stay where they are. A copy is the same intent with the same id and fault. Nothing happens to
    it until somebody replays it there. A second run copies once more; the intent still takes effect once. A large
    intent whose payload is in the bucket is not copied, because the other drain cannot read this bucket.
    """
    plan = CopyPlan(
        selector=chosen.explicit_selector(everything=everything), limit=limit, rate=rate, dry_run=dry_run
    )
    stage = at.open()
    queues = stage.queues()
    target = find_copy_target(at, stage, queues, to_stage=to_stage, to=to, to_profile=to_profile)
    plan = replace(plan, selector=look_up(plan.selector, queues.dead, at))
    depth = queues.dead.depth()
    passed_over, unparsed = PassedOver(), 0

    def on_result(one: Copied) -> None:
        nonlocal unparsed
        unparsed += not one.id
        print_step(asdict(one), as_json=as_json)

    callbacks: Any = {"on_result": on_result, "on_skip": passed_over.add}
    if dry_run:
        with progress_bar("reading", depth.total) as advance:
            done = copy_letters(queues.dead, target.queue, plan, on_page=advance, **callbacks)
        echo_err(f"would be: {format_counts(done.counts, 'nothing')}. Nothing was sent.")
    else:
        what = "all dead letters" if everything else "the selected dead letters"
        what = what if limit is None else f"up to {limit} dead letters"
        question = f"Copy {what} (of about {depth.total}), with their payloads, to {target.name}?"
        confirm(f"{question}{_doubt(target)}", yes=yes, no_input=no_input, needs="a copy")
        options = {"to": target.queue.url, "limit": limit, "rate": rate}
        spec = OperationSpec("copy", plan.selector.describe() | options, stage)
        with (
            operations_database(at, database_url, no_record=no_record) as engine,
            recording(spec, engine) as operation,
            progress_bar("copying", depth.total) as advance,
        ):
            done = run_copy(queues.dead, target.queue, plan, operation, on_page=advance, **callbacks)
    report_sum(done.seen, done.counts, passed_over, unparsed=unparsed)
    complete = done.stopped is None and sum(done.counts.values()) != limit
    report_unseen(queues.dead, depth, plan.selector, seen=done.seen, complete=complete)
    _report(done)


def _doubt(target: CopyTarget) -> str:
    return "" if target.is_checked else " It is not known whether a drain reads that queue."


def _report(done: CopySummary) -> None:
    """Explain on stderr what needs it.

    Raises:
        Failure: AWS refused the credentials.
        typer.Exit: something was not copied, or an id was not found.
    """
    report_missing(done.missing)
    if done.stopped in CREDENTIAL_CODES:
        text = f"stopped: the other queue refuses the credentials ({done.stopped})"
        raise Failure(f"{text}\nCheck --to-profile, and the policy of the other queue", CREDENTIALS)
    if done.stopped:
        echo_err(f"Stopped: the other queue refuses every message ({done.stopped}).")
    if done.counts.get(CopyOutcome.NOT_COPIED) or done.missing:
        raise typer.Exit(FAILED)
