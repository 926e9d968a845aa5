"""A replay that keeps the operation's record up to date, with a canary if it is asked for."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from penstock.cli.support.database import database_message
from penstock.cli.support.errors import Failure
from penstock.cli.support.output import format_counts
from penstock.database import operations
from penstock.database.operations import Operation
from penstock.deadletters import Plan, Replayed, ReplayOutcome, Summary, replay
from penstock.deadletters.condition import Condition
from penstock.deadletters.message import canonical
from penstock.deadletters.replay.canary import Canary, all_took_effect
from penstock.deadletters.scan.passed_over import PassedOver
from penstock.queue import Queue

_SENT: Final = frozenset({ReplayOutcome.REPLAYED, ReplayOutcome.NOT_DELETED})


class RecordedReplay:
    """A replay in one or two parts: the canary, if there is one, and the rest.

    Attributes:
        unparsed: how many of the selected dead letters cannot be parsed.
    """

    def __init__(
        self,
        dead: Queue,
        main: Queue,
        operation: Operation,
        *,
        on_result: Callable[[Replayed], None] = lambda _: None,
        go_on: Callable[[], bool] = lambda: True,
    ) -> None:
        """Take the queues and the record.

        Args:
            dead: the dead-letter queue.
            main: the queue to send to.
            operation: the record, whose counts and outcome are kept up to date.
            on_result: called for each dead letter, when its outcome is final.
            go_on: called after each page; the part of the replay ends when it returns False.
        """
        self._dead = dead
        self._main = main
        self._operation = operation
        self._on_result = on_result
        self._go_on = go_on
        self._counts: Counter[str] = Counter()
        self._canaries: dict[str, Replayed] = {}
        self._canary: Canary | None = None
        self._canary_summary: Summary | None = None
        self._canary_is_over = False
        self._passed_over = PassedOver()
        self.unparsed = 0

    @property
    def sent(self) -> int:
        """The number of messages that were sent."""
        return sum(self._counts[outcome] for outcome in _SENT)

    @property
    def passed_over(self) -> PassedOver:
        """The messages that were read and not selected."""
        return self._passed_over

    def send_canary(self, plan: Plan, count: int, canary: Canary, on_page: Callable[[int], None]) -> Summary:
        """Send the first dead letters.

        Args:
            plan: the whole replay.
            count: the number of dead letters to send.
            canary: reads their outcomes; made before they are sent.
            on_page: called for each page with its number of messages.
        """
        self._canary = canary
        self._canary_summary = self._run(replace(plan, limit=min(count, plan.limit or count)), on_page)
        return self._canary_summary

    def wait_for_canary(self, seconds: float) -> Counter[str]:
        """Wait for the outcomes of the canary in the ledger, and return how many there are of each.

        Args:
            seconds: the longest wait.

        Raises:
            Failure: not all of them were applied in that time; the rest was not sent.
        """
        summary = self._canary_summary
        if self._canary is None or summary is None:
            raise RuntimeError("no canary was sent")
        sent = [one.intent_id for one in self._canaries.values() if one.outcome in _SENT]
        ids = [one for one in sent if one]
        try:
            outcomes = self._canary.wait(ids, seconds)
        except SQLAlchemyError as error:
            text = f"the outcome of the canary cannot be read from the ledger: {database_message(error)}"
            raise Failure(
                f"{text}\nThe rest was not sent. Check the database, and run the command again"
            ) from error
        without_id = len(sent) - len(ids)
        if all_took_effect(outcomes) and not without_id and not summary.failed and not summary.stopped:
            return outcomes
        unknown = f", {without_id} without an id that the ledger could have" if without_id else ""
        refused = f", {summary.failed} refused" if summary.failed else ""
        raise Failure(
            f"the canary failed: {format_counts(outcomes, 'nothing sent')}{unknown}{refused}. "
            "The rest was not sent\n"
            "`penstock dlq list` shows why a canary is dead, `penstock dlq replay --trial` shows what would "
            "become of the rest"
        )

    def send_rest(self, plan: Plan, on_page: Callable[[int], None]) -> Summary:
        """Send the dead letters that are left, and return the summary of the whole replay with the canary."""
        sent, self._canary_is_over = self.sent, True
        canary_ids = {name for one in self._canaries.values() for name in (one.id, canonical(one.message_id))}
        if self._canary_summary and sent == plan.limit:
            return replace(self._canary_summary, counts=self._outcomes())
        summary = self._run(replace(plan, limit=None if plan.limit is None else plan.limit - sent), on_page)
        return replace(
            summary, counts=self._outcomes(), missing=summary.missing - canary_ids, seen=summary.seen + sent
        )

    def _outcomes(self) -> dict[ReplayOutcome, int]:
        return {ReplayOutcome(outcome): count for outcome, count in self._counts.items()}

    def _run(self, plan: Plan, on_page: Callable[[int], None]) -> Summary:
        # The rest is read after the canary: what was not selected then is read and counted again.
        self._passed_over = PassedOver()
        if isinstance(plan.selector.where, Condition):
            plan.selector.where.failed = 0
        summary = replay(
            self._dead,
            self._main,
            plan,
            on_result=self._report,
            on_page=on_page,
            on_skip=self._passed_over.add,
            in_time=self._go_on,
        )
        if summary.failed or summary.stopped:
            self._operation.outcome = operations.FAILED
        return summary

    def _report(self, one: Replayed) -> None:
        if one.message_id in self._canaries:
            return  # A canary that is still a dead letter is read a second time with the rest.
        if not self._canary_is_over:
            self._canaries[one.message_id] = one
        self._counts[one.outcome] += 1
        self.unparsed += not one.id
        self._operation.counts = dict(self._counts)
        self._on_result(one)
