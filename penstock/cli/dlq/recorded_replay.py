"""What `penstock dlq replay` prints: a line for each dead letter, and at the end what needs an explanation."""

from dataclasses import asdict

import typer
from sqlalchemy import Engine

from penstock.cli.dlq.messages import progress_bar, report_missing
from penstock.cli.dlq.steps import print_step
from penstock.cli.operate.replay import RecordedReplay
from penstock.cli.support.aws_errors import CREDENTIAL_CODES
from penstock.cli.support.errors import CREDENTIALS, FAILED, Failure
from penstock.cli.support.output import echo_err, format_counts
from penstock.deadletters import Plan, Replayed, ReplayOutcome, Summary
from penstock.deadletters.replay.canary import Canary
from penstock.queue import Queue


def send_canary(
    run: RecordedReplay, dead: Queue, plan: Plan, engine: Engine, *, count: int, seconds: float
) -> None:
    """Send the first dead letters with a progress bar, and print their outcomes in the ledger.

    Args:
        run: the replay.
        dead: the dead-letter queue.
        plan: the whole replay.
        engine: the engine of the ledger's database.
        count: the number of dead letters to send.
        seconds: the longest wait for the outcomes.

    Raises:
        Failure: not all of them were applied in that time; the rest was not sent.
    """
    canary = Canary(engine)
    with progress_bar("replaying", dead.depth().total) as advance:
        run.send_canary(plan, count, canary, advance)
    echo_err(f"canary: {format_counts(run.wait_for_canary(seconds), 'nothing sent')}")


def send_rest(run: RecordedReplay, dead: Queue, plan: Plan) -> Summary:
    """Send the dead letters that are left with a progress bar, and return the summary of the whole replay."""
    with progress_bar("replaying", dead.depth().total) as advance:
        return run.send_rest(plan, advance)


def print_result(one: Replayed, *, as_json: bool) -> None:
    """Print the outcome of one dead letter."""
    values = asdict(one)
    del values["intent_id"]
    print_step(values, as_json=as_json)


def report_replay(summary: Summary) -> None:
    """Explain on stderr the outcomes that need it.

    Raises:
        Failure: AWS refused the credentials.
        typer.Exit: another error occurred, or an id was not found.
    """
    if summary.counts.get(ReplayOutcome.NOT_DELETED):
        echo_err(
            "Messages that were not deleted are on both queues. It is safe to run the command again: "
            "each intent takes effect once."
        )
    if summary.counts.get(ReplayOutcome.LEFT):
        echo_err(
            "Messages that were left are still dead letters: the drain dead-lettered them again during this run, "
            "or they were replayed too often before. The code of each line says which."
        )
    report_missing(summary.missing)
    if summary.stopped in CREDENTIAL_CODES:
        text = f"stopped: SQS refused the credentials ({summary.stopped})"
        raise Failure(
            f"{text}\nCheck the AWS credentials, and run the command again to replay the rest", CREDENTIALS
        )
    if summary.stopped:
        echo_err(f"Stopped: SQS refuses every request ({summary.stopped}). Run the command again later.")
    if summary.failed or summary.missing:
        raise typer.Exit(FAILED)
