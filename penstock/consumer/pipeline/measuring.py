"""What is measured of each batch, once its failures are known."""

import re
import time
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from penstock.consumer.batch import Batch, Item
from penstock.consumer.faults.tree import (
    ConflictFault,
    DeploymentFault,
    EnvironmentFault,
    Fault,
    NotYetFault,
    PayloadFault,
    SharedFault,
)
from penstock.consumer.pipeline.round_trips import RoundTrips
from penstock.consumer.pipeline.sessions import Sessions
from penstock.consumer.resources import Resources
from penstock.metrics import names
from penstock.metrics.names import Metric
from penstock.metrics.recording import Recording, recording
from penstock.queue.message import DELAY_ATTRIBUTE

_CAUSES: Final = (
    ((DeploymentFault, SharedFault), "deployment"),
    (ConflictFault, "conflict"),
    (PayloadFault, "payload"),
    (EnvironmentFault, "outage"),
    (NotYetFault, "not-yet"),
)
"""The causes of what goes back to the queue, by the branches of the fault tree; the first that fits."""

_DELAY: Final = re.compile("[0-9]{1,3}")

_LEAST_SECONDS: Final = 5.0
"""What must be left of an invocation to count sessions."""


class Measuring:
    """Measures the batches of one drain."""

    def __init__(self, resources: Resources, kinds: Collection[str]) -> None:
        """Prepare.

        Args:
            resources: those of the drain.
            kinds: the kinds that the drain writes.
        """
        self._for_cloudwatch = resources.settings.metrics
        self._kinds = kinds
        self._round_trips = RoundTrips(resources.engine)
        self._sessions = Sessions(resources.database)

    @contextmanager
    def measured(self, batch: Batch) -> Iterator[None]:
        """Measure a batch that is drained in the block, even if the block fails. Nothing else is raised."""
        started, waits = time.monotonic(), self._round_trips.count
        with recording(for_cloudwatch=self._for_cloudwatch) as metrics:
            failed = True
            try:
                yield
                failed = False
            finally:
                seconds = round(time.monotonic() - started, 6)
                waited = self._round_trips.count - waits + batch.waits
                metrics.take(lambda to: self._measure(to, batch, seconds, waited, failed=failed))
                metrics.take(lambda to: self._measure_sessions(to, batch, failed=failed))

    def _measure(self, to: Recording, batch: Batch, seconds: float, waited: int, *, failed: bool) -> None:
        queue = _queue_of(batch)
        to.add(names.BATCH_SIZE, len(batch.items))
        to.add(names.CONSUMED, len(batch.items), attributes=queue)
        error = {names.ERROR: _cause(batch.fault)} if failed or batch.fault else {}
        to.add(names.BATCH_DURATION, seconds, attributes=queue | error)
        to.add(names.ROUND_TRIPS, waited)
        # Lambda returns the whole batch to the queue if its function fails.
        handed_back = batch.items if failed else [*batch.failed.values()]
        for cause, number in Counter(_cause(batch.fault or _fault_of(item)) for item in handed_back).items():
            to.add(names.HANDED_BACK, number, label=cause)
        if not failed:
            self._measure_outcomes(to, batch)

    def _measure_outcomes(self, to: Recording, batch: Batch) -> None:
        failed = batch.failed
        taken = [item for item in batch.items if item.message_id not in failed] if failed else batch.items
        written = [item for item in taken if not (item.fault or item.duplicate or item.first_occurrence)]
        for aside, metric in (("expired", names.EXPIRED), ("held", names.HELD)):
            if found := [item for item in written if getattr(item, aside)]:
                self._count(to, metric, Counter(map(_kind, found)))
                written = [item for item in written if not getattr(item, aside)]
        stale = batch.stale + Counter(_kind(item) for item in written if item.stale)
        self._count(to, names.APPLIED, Counter([_kind(item) for item in written]) - stale)
        self._count(to, names.STALE, stale)
        if len(written) < len(taken):
            others = [item for item in taken if item.fault or item.duplicate or item.first_occurrence]
            self._count(to, names.DEAD, Counter(_kind(item) for item in others if item.fault))
            self._count(to, names.DUPLICATE, Counter(_kind(item) for item in others if not item.fault))
        to.add(names.LAG, *_lags(written, batch.settled_at))

    def _count(self, to: Recording, metric: Metric, kinds: Counter[str]) -> None:
        for kind, number in (+kinds).items():  # Without those that are 0.
            to.add(metric, number, label=kind if kind in self._kinds else names.OTHER)

    def _measure_sessions(self, to: Recording, batch: Batch, *, failed: bool) -> None:
        """Count sessions, unless the database did not take the batch."""
        if failed or batch.fault or batch.seconds_left < _LEAST_SECONDS:
            return
        sessions = self._sessions.count()
        if sessions is not None:
            to.add(names.CONNECTIONS, sessions)


def _kind(item: Item) -> str:
    return item.kind or names.OTHER


def _fault_of(item: Item) -> Fault | None:
    """Return why an item goes back: its own fault, or that of the first item with its id."""
    return item.fault or (item.first_occurrence.fault if item.first_occurrence else None)


def _cause(fault: Fault | None) -> str:
    return next((cause for classes, cause in _CAUSES if isinstance(fault, classes)), names.OTHER)


def _lags(written: Sequence[Item], settled_at: float) -> list[float]:
    """Return the ages of the messages of some items, in seconds."""
    now = round(settled_at * 1000)
    try:
        lags = [(now - int(item.record["attributes"]["SentTimestamp"])) / 1000 - _delay(item) for item in written]
    except (KeyError, TypeError, ValueError):  # Some records are not from SQS.
        sent = (item.number("SentTimestamp") for item in written)
        lags = [(now - known) / 1000 for known in sent if known]
    # The clocks of SQS and of the function may differ.
    return lags if min(lags, default=0) >= 0 else [max(0.0, lag) for lag in lags]


def _delay(item: Item) -> int:
    """Return for how many seconds the sender wanted a message to be delayed: that is no lag."""
    given = item.record.get("messageAttributes")
    delay = given.get(DELAY_ATTRIBUTE) if isinstance(given, dict) else None
    seconds = delay.get("stringValue") if isinstance(delay, dict) else None
    return int(seconds) if isinstance(seconds, str) and _DELAY.fullmatch(seconds) else 0


def _queue_of(batch: Batch) -> dict[str, str]:
    arn = batch.items[0].record.get("eventSourceARN") if batch.items else None
    return {names.QUEUE: arn.rpartition(":")[2]} if isinstance(arn, str) else {}
