"""Everything that is to be seen of a stage at one moment, each part with its trouble where it cannot be asked."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from types import TracebackType
from typing import Final, Self, TypeVar

from botocore.exceptions import BotoCoreError, ClientError
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from penstock.cli.support.breaker import mapping_of
from penstock.cli.support.database import find_database
from penstock.cli.support.options import Target
from penstock.cli.support.output import escape_control
from penstock.cli.support.stage import Queues
from penstock.consumer.breaker.event_source import EventSourceMapping
from penstock.consumer.breaker.manual import BreakerStatus, breaker_status
from penstock.consumer.breaker.probe import OPEN
from penstock.database.engine import make_engine
from penstock.database.ledger_stats import LedgerStats, read_ledger_stats
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
"""The longest that SQS keeps anything: what died before has no dead letter any more."""

_METRIC_SECONDS = 30.0
"""CloudWatch has a new figure each minute, and each question costs."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A stage at one moment; a part that could not be asked is None, and `troubles` says why.

    Attributes:
        at: when.
        stack: the stack's name.
        queue: the main queue's depth.
        oldest_seconds: the age of the oldest message on it.
        oldest_source: who says so: `cloudwatch`; the `ledger`, by the slowest that landed in the last minute;
            `empty`, where there is no message; or `unknown`.
        dead_letters: the dead-letter queue's depth.
        retention: how long it keeps a message, if that is known.
        figures: what the database knows.
        breaker: how the breaker stands.
        budget: the most connections that the service may hold.
        troubles: by part (`queue`, `dead-letters`, `database`, `breaker`), why it could not be asked.
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
    troubles: Mapping[str, str]

    @property
    def first_expires_at(self) -> datetime | None:
        """When the first dead letter expires, as far as the ledger knows."""
        died_at = self.figures and self.figures.first_dead_at
        if died_at and self.retention and self.dead_letters and self.dead_letters.total:
            return died_at + self.retention
        return None

    @property
    def findings(self) -> list[str]:
        """What is wrong with the service, in words."""
        found = []
        if self.breaker and self.breaker.position != "closed":
            found.append(f"the breaker is {self.breaker.position}")
        if self.dead_letters and self.dead_letters.total:
            found.append("there are dead letters")
        if self.figures and self.figures.connections > self.budget:
            found.append("there are more connections than the budget allows")
        return found


class SnapshotReader:
    """Takes snapshots of a stage, one after the other; to be used with `with`."""

    def __init__(self, at: Target, database_url: str | None) -> None:
        """Find the stage; the database and its URL are asked for with each snapshot until they are there.

        Raises:
            Failure: there is no such stack, or it is not of a Penstock service.
        """
        self._target = at
        self._given_url = database_url
        self._stage = at.open()
        self._budget = int(self._stage.outputs("ConnectionBudget")[0])
        self._age: tuple[float, float | None] | None = None
        self._troubles: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if "_engine" in vars(self):
            self._engine.dispose()

    def read(self) -> Snapshot:
        """Take a snapshot. What goes wrong is in it."""
        self._troubles = {}
        queue = self._part("queue", self._depth)
        figures = self._part("database", self._figures)
        breaker = self._part("breaker", lambda: breaker_status(self._mapping))
        oldest, source = self._oldest(queue, figures, breaker)
        return Snapshot(
            at=datetime.now(UTC),
            stack=self._stage.stack,
            queue=queue,
            oldest_seconds=oldest,
            oldest_source=source,
            dead_letters=self._part("dead-letters", self._dead_depth),
            retention=self._part("dead-letters", lambda: timedelta(seconds=self._queues.retention_seconds)),
            figures=figures,
            breaker=breaker,
            budget=self._budget,
            troubles=self._troubles,
        )

    def _part(self, name: str, ask: Callable[[], T]) -> T | None:
        try:
            return ask()
        except Exception as error:  # noqa: BLE001 (one part's trouble is not another's)
            self._troubles[name] = why(error)
            return None

    def _depth(self) -> Depth:
        return self._queues.main.depth()

    def _dead_depth(self) -> Depth:
        return self._queues.dead.depth()

    def _figures(self) -> LedgerStats:
        with self._watchdog.transaction(_DATABASE_SECONDS) as connection:
            return read_ledger_stats(connection, self._stage.service_name, _LONGEST_RETENTION)

    def _oldest(
        self, queue: Depth | None, figures: LedgerStats | None, breaker: BreakerStatus | None
    ) -> tuple[float | None, str]:
        if queue and not queue.total:
            return 0.0, EMPTY
        known = self._from_cloudwatch() if queue else None
        if known is not None:
            return known, CLOUDWATCH
        # Of what waits for a drain that is off, what landed before says nothing.
        drains = breaker is not None and breaker.position != OPEN
        slowest = figures.slowest_seconds if figures and drains else None
        return slowest, UNKNOWN if slowest is None else LEDGER

    def _from_cloudwatch(self) -> float | None:
        now = time.monotonic()
        if self._age is None or now >= self._age[0]:
            self._age = (now + _METRIC_SECONDS, None)
            with suppress(ClientError, BotoCoreError):
                age = oldest_seconds(self._cloudwatch, self._queues.main.url, datetime.now(UTC))
                self._age = (now + _METRIC_SECONDS, age)
        return self._age[1]

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


def why(error: Exception) -> str:
    """Say in a line why a part could not be asked."""
    if isinstance(error, ClientError):
        return f"{error.operation_name}: {error.response['Error']['Code']}"
    # The driver's words name host and user, never the password.
    text = str(error.orig if isinstance(error, DBAPIError) else error).strip()
    first = text.splitlines()[0] if text else ""
    return escape_control(first) or type(error).__name__
