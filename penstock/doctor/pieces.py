"""The pieces of a service: functions, queues and drains, with what the rules ask of them."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from penstock.doctor.finding import NotKnown
from penstock.doctor.stack import Resource
from penstock.doctor.values import Unknown, Value, as_flag, as_mapping, as_number

DATABASE_URL: Final = "PENSTOCK_DATABASE_URL"
POOL_SIZE: Final = "PENSTOCK_POOL_SIZE"
QUEUE_URL: Final = "PENSTOCK_QUEUE_URL"
DEAD_LETTER_QUEUE_URL: Final = "PENSTOCK_DEAD_LETTER_QUEUE_URL"
PAYLOAD_BUCKET: Final = "PENSTOCK_PAYLOAD_BUCKET"

_PREFIX: Final = "PENSTOCK_"
_DATABASE: Final = (DATABASE_URL, "PENSTOCK_DATABASE_READER_URL", "DATABASE_URL", "PGHOST")
_POSTGRES: Final = re.compile(r"postgres(ql)?(\+\w+)?://")
_TIMEOUT: Final = 3
"""What a function has without one, in seconds, and a queue below (CloudFormation's reference of both types)."""
_VISIBILITY: Final = 30
_RETENTION: Final = 345_600
_BATCH: Final = 10


@dataclass(frozen=True, eq=False)
class Piece:
    """A resource with a meaning for the service.

    Attributes:
        resource: the resource.
    """

    resource: Resource

    @property
    def name(self) -> str:
        """The resource's name."""
        return self.resource.name

    def number(self, *path: str, default: float | None = None) -> int | float | None:
        """Return a number among the properties; the default if there is none.

        Raises:
            NotKnown: only a deployment knows it.
        """
        found = as_number(self._known(*path, get=as_number))
        return default if found is None or isinstance(found, Unknown) else found

    def flag(self, *path: str) -> bool:
        """Return a boolean among the properties; False if there is none.

        Raises:
            NotKnown: only a deployment knows it.
        """
        return bool(self._known(*path, get=as_flag))

    def _known(self, *path: str, get: Callable[[Value], Value]) -> Value:
        found = get(self.resource.at(*path))
        if isinstance(found, Unknown):
            raise NotKnown(self.name, f"{'.'.join(path)} ({found.why})")
        return found


@dataclass(frozen=True, eq=False)
class Function(Piece):
    """A Lambda function."""

    @cached_property
    def variables(self) -> Mapping[str, Value]:
        """Its environment variables."""
        return as_mapping(self.resource.at("Environment", "Variables"))

    @property
    def is_ours(self) -> bool:
        """Whether it has a setting of Penstock."""
        return any(name.startswith(_PREFIX) for name in self.variables)

    @property
    def database_variables(self) -> list[str]:
        """The names of its variables that name a database."""
        return [
            name
            for name, value in self.variables.items()
            if name in _DATABASE or (isinstance(value, str) and _POSTGRES.match(value))
        ]

    @property
    def is_producer(self) -> bool:
        """Whether it sends to the queue and has no business with dead letters, as a producer."""
        return QUEUE_URL in self.variables and DEAD_LETTER_QUEUE_URL not in self.variables

    @property
    def timeout(self) -> int | float:
        """Its timeout in seconds.

        Raises:
            NotKnown: only a deployment knows it.
        """
        return self.number("Timeout", default=_TIMEOUT) or 0


@dataclass(frozen=True, eq=False)
class Queue(Piece):
    """An SQS queue."""

    @property
    def retention(self) -> int | float:
        """How long it keeps a message, in seconds; NotKnown is raised as by `number`, here and below."""
        return self.number("MessageRetentionPeriod", default=_RETENTION) or 0

    @property
    def visibility(self) -> int | float:
        """Its visibility timeout in seconds."""
        return self.number("VisibilityTimeout", default=_VISIBILITY) or 0

    @property
    def is_fifo(self) -> bool:
        """Whether it is a FIFO queue."""
        return self.flag("FifoQueue")


@dataclass(frozen=True, eq=False)
class Drain(Piece):
    """An event source mapping from a queue to a function of Penstock's.

    Attributes:
        resource: the mapping.
        function: the function.
        queue: the queue; None if it is not one of the stack.
    """

    function: Function
    queue: Queue | None

    @property
    def batch_size(self) -> int | float:
        """The messages of a batch at most; NotKnown is raised as by `number`, here and below."""
        return self.number("BatchSize", default=_BATCH) or 0

    @property
    def window(self) -> int | float:
        """How long to wait for a full batch, in seconds."""
        return self.number("MaximumBatchingWindowInSeconds", default=0) or 0

    def known_queue(self) -> Queue:
        """Return the queue.

        Raises:
            NotKnown: it is not one of the stack.
        """
        if self.queue is None:
            raise NotKnown(self.name, "its queue (the template does not have it)")
        return self.queue
