"""A replay that prints a line for each dead letter and keeps the operation's record up to date."""

from collections import Counter
from dataclasses import asdict, replace
from typing import Final

import typer
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from penstock.cli.dlq.messages import format_counts, progress_bar, report_missing
from penstock.cli.dlq.recording import database_message
from penstock.cli.support.aws_errors import CREDENTIAL_CODES
from penstock.cli.support.errors import CREDENTIALS, FAILED, Failure
from penstock.cli.support.output import echo_err, print_line
from penstock.database import operations
from penstock.database.operations import Operation
from penstock.deadletters import Plan, Replayed, ReplayOutcome, Summary, replay
from penstock.deadletters.condition import Condition
from penstock.deadletters.message import canonical
from penstock.deadletters.replay.canary import Canary, all_took_effect
from penstock.queue import Queue

_SENT: Final = frozenset({ReplayOutcome.REPLAYED, ReplayOutcome.NOT_DELETED})


class RecordedReplay:
    """A replay in one or two parts: the canary, if there is one, and the rest."""

    def __init__(self, dead: Queue, main: Queue, operation: Operation, *, as_json: bool) -> None:
        """Take the queues and the record.

        Args:
            dead: the dead-letter queue.
            main: the queue to send to.
            operation: the record, whose counts and outcome are kept up to date.
            as_json: whether to print JSON.
        """
        self._dead = dead
        self._main = main
        self._operation = operation
        self._as_json = as_json
        self._counts: Counter[str] = Counter()
        self._canaries: dict[str, Replayed] = {}
        self._canary_is_over = False

    @property
    def sent(self) -> int:
        """The number of messages that were sent."""
        return sum(self._counts[outcome] for outcome in _SENT)

    def send_canary(self, plan: Plan, count: int, engine: Engine, seconds: float) -> None:
        """Send the first dead letters, and wait for their outcomes in the ledger.

        Args:
            plan: the whole replay.
            count: the number of dead letters to send.
            engine: the engine of the ledger's database.
            seconds: the longest wait for the outcomes.

        Raises:
            Failure: not all of them were applied in that time; the rest was not sent.
        """
        watch = Canary(engine)
        summary = self._run(replace(plan, limit=min(count, plan.limit or count)))
        sent = [one.intent_id for one in self._canaries.values() if one.outcome in _SENT]
        ids = [one for one in sent if one]
        try:
            outcomes = watch.wait(ids, seconds)
        except SQLAlchemyError as error:
            text = f"the outcome of the canary cannot be read from the ledger: {database_message(error)}"
            raise Failure(
                f"{text}\nThe rest was not sent. Check the database, and run the command again"
            ) from error
        result = format_counts(outcomes, "nothing sent")
        echo_err(f"canary: {result}")
        without_id = len(sent) - len(ids)
        if all_took_effect(outcomes) and not without_id and not summary.failed and not summary.stopped:
            return
        unknown = f", {without_id} without an id that the ledger could have" if without_id else ""
        refused = f", {summary.failed} refused" if summary.failed else ""
        raise Failure(
            f"the canary failed: {result}{unknown}{refused}. The rest was not sent\n"
            "`penstock dlq list` shows why a canary is dead, `penstock dlq replay --trial` shows what would "
            "become of the rest"
        )

    def send_rest(self, plan: Plan) -> Summary:
        """Send the dead letters that are left, and return the summary of the whole replay with the canary."""
        sent, self._canary_is_over = self.sent, True
        canary_ids = {name for one in self._canaries.values() for name in (one.id, canonical(one.message_id))}
        summary = self._run(replace(plan, limit=None if plan.limit is None else plan.limit - sent))
        counts = {ReplayOutcome(outcome): count for outcome, count in self._counts.items()}
        return replace(summary, counts=counts, missing=summary.missing - canary_ids, seen=summary.seen + sent)

    def _run(self, plan: Plan) -> Summary:
        if isinstance(plan.selector.where, Condition) and plan.limit != 0:
            plan.selector.where.failed = 0
        with progress_bar("replaying", self._dead.depth().total) as advance:
            summary = replay(self._dead, self._main, plan, on_result=self._print, on_page=advance)
        if summary.failed or summary.stopped:
            self._operation.outcome = operations.FAILED
        return summary

    def _print(self, one: Replayed) -> None:
        if one.message_id in self._canaries:
            return  # A canary that is still a dead letter is read a second time with the rest.
        if not self._canary_is_over:
            self._canaries[one.message_id] = one
        self._counts[one.outcome] += 1
        self._operation.counts = dict(self._counts)
        values = asdict(one)
        del values["intent_id"]
        print_line(values if self._as_json else values.values(), as_json=self._as_json)


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
