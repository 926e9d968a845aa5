"""The state of a stage at one moment: each part, or the reason why it could not be read."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Final, Self, TypeVar

from botocore.exceptions import BotoCoreError, ClientError
from sqlalchemy import Engine

from penstock.cli.support.breaker import mapping_of
from penstock.cli.support.database import find_database
from penstock.cli.support.describe_error import describe_error
from penstock.cli.support.options import Target
from penstock.cli.support.stage import Queues
from penstock.consumer.breaker.event_source import OPEN, EventSourceMapping
from penstock.consumer.breaker.manual import BreakerStatus, breaker_status
from penstock.consumer.retention import Retention
from penstock.database.engine import make_engine
from penstock.database.ledger_stats import LedgerStats, read_ledger_stats
from penstock.database.outbox import Backlog, read_backlog
from penstock.database.watchdog import Watchdog
from penstock.queue import Depth
from penstock.queue.age import oldest_seconds

T = TypeVar("T")

CLOUDWATCH: Final = "cloudwatch"
LEDGER: Final = "ledger"
EMPTY: Final = "empty"
UNKNOWN: Final = "unknown"

_DATABASE_SECONDS = 8.0
_LONGEST_RETENTION = timedelta(days=14)
"""The longest retention of an SQS queue: an intent that died before then has no dead letter any more."""

_METRIC_SECONDS = 30.0
"""CloudWatch has a new value each minute, and each request costs money."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A stage at one moment. A part that could not be read is None, and `errors` has the reason.

    Attributes:
        at: the time.
        stack: the stack's name.
        queue: the main queue's depth.
        oldest_seconds: the age of the oldest message on the main queue.
        oldest_source: the source of that age: `cloudwatch`; `ledger` for the longest time from emit to commit in
            the last minute; `empty` if the queue has no message; or `unknown`.
        dead_letters: the dead-letter queue's depth.
        retention: how long the dead-letter queue keeps a message.
        figures: what the database knows.
        breaker: the breaker's state.
        budget: the most connections that the service may hold.
        swept_in_seconds: how long until the probe may dead-letter the oldest message; None if the drain is on, or
            the age is not known.
        errors: why a part could not be read, by part: `queue`, `dead-letters`, `database`, `breaker`.
        backlog: the events about outcomes that wait to be sent; None if there is no outbox to read.
    """

    at: datetime
    stack: str
    queue: Depth | None
    oldest_seconds: float | None
    oldest_source: str
    dead_letters: Depth | None
    retention: timedelta | None
    figures: LedgerStats | None
    breaker: BreakerStatus | None
    budget: int
    swept_in_seconds: float | None
    errors: Mapping[str, str]
    backlog: Backlog | None = None

    @property
    def resting(self) -> int | None:
        """How many messages rest until their next try, as far as known. SQS counts them as in flight."""
        if self.queue is None or self.figures is None:
            return None
        return min(self.figures.resting, self.queue.in_flight)

    @property
    def first_expires_at(self) -> datetime | None:
        """When the first dead letter expires, according to the ledger."""
        died_at = self.figures and self.figures.first_dead_at
        if died_at and self.retention and self.dead_letters and self.dead_letters.total:
            return died_at + self.retention
        return None


class SnapshotReader:
    """Reads snapshots of a stage, one after the other; use it with `with`."""

    def __init__(self, at: Target, database_url: str | None) -> None:
        """Open the stage. The other parts are found by `read`, and searched again after a failure.

        Raises:
            Failure: there is no such stack, or it does not belong to a Penstock service.
        """
        self._target = at
        self._given_url = database_url
        self._stage = at.open()
        self._budget = int(self._stage.outputs("ConnectionBudget")[0])
        self._age: float | None = None
        self._age_expires_at = float("-inf")
        self._errors: dict[str, str] = {}
        self._backlog: Backlog | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if "_engine" in vars(self):
            self._engine.dispose()

    def read(self) -> Snapshot:
        """Read a snapshot. It holds the errors of the parts that could not be read."""
        self._errors = {}
        self._backlog = None
        queue = self._try("queue", self._main_depth)
        figures = self._try("database", self._read_figures)
        breaker = self._try("breaker", lambda: breaker_status(self._mapping))
        oldest, source = self._oldest(queue, figures, breaker)
        return Snapshot(
            at=datetime.now(UTC),
            stack=self._stage.stack,
            queue=queue,
            oldest_seconds=oldest,
            oldest_source=source,
            dead_letters=self._try("dead-letters", self._dead_letter_depth),
            retention=self._try("dead-letters", lambda: timedelta(seconds=self._queues.retention_seconds)),
            figures=figures,
            breaker=breaker,
            budget=self._budget,
            swept_in_seconds=self._try("queue", lambda: self._swept_in(oldest, source, breaker)),
            errors=self._errors,
            backlog=self._backlog,
        )

    def _try(self, part: str, read: Callable[[], T]) -> T | None:
        try:
            return read()
        except Exception as error:  # noqa: BLE001 (an error of one part does not hide the others)
            self._errors[part] = describe_error(error)
            return None

    def _main_depth(self) -> Depth:
        return self._queues.main.depth()

    def _dead_letter_depth(self) -> Depth:
        return self._queues.dead.depth()

    def _read_figures(self) -> LedgerStats:
        with self._watchdog.transaction(_DATABASE_SECONDS) as connection:
            self._backlog = read_backlog(connection)
            return read_ledger_stats(connection, self._stage.service_name, _LONGEST_RETENTION)

    def _oldest(
        self, queue: Depth | None, figures: LedgerStats | None, breaker: BreakerStatus | None
    ) -> tuple[float | None, str]:
        """Return the age of the oldest message in seconds, and the source of that age."""
        if queue and not queue.total:
            return 0.0, EMPTY
        age = self._age_from_cloudwatch() if queue else None
        if age is not None:
            return age, CLOUDWATCH
        # While the drain is off, the ledger's times say nothing about the messages that wait.
        drains = breaker is not None and breaker.position != OPEN
        slowest = figures.slowest_seconds if figures and drains else None
        return slowest, UNKNOWN if slowest is None else LEDGER

    def _swept_in(self, age: float | None, source: str, breaker: BreakerStatus | None) -> float | None:
        if age is None or source != CLOUDWATCH or breaker is None or breaker.position != OPEN:
            return None
        return Retention(self._queues.main).seconds_left(age)

    def _age_from_cloudwatch(self) -> float | None:
        now = time.monotonic()
        if now >= self._age_expires_at:
            self._age, self._age_expires_at = None, now + _METRIC_SECONDS
            with suppress(ClientError, BotoCoreError):
                self._age = oldest_seconds(self._cloudwatch, self._queues.main.url, datetime.now(UTC))
        return self._age

    @cached_property
    def _queues(self) -> Queues:
        return self._stage.queues()

    @cached_property
    def _mapping(self) -> EventSourceMapping:
        return mapping_of(self._stage)

    @cached_property
    def _cloudwatch(self) -> object:
        return self._stage.client("cloudwatch")

    @cached_property
    def _engine(self) -> Engine:
        return make_engine(find_database(self._given_url, self._target))

    @cached_property
    def _watchdog(self) -> Watchdog:
        return Watchdog(self._engine)
