"""The drain: a batch of SQS records in, rows in Postgres and a partial batch response out."""

import logging
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from sqlalchemy import Engine

from penstock.consumer.batch import Batch
from penstock.consumer.decode import decode
from penstock.consumer.faults import DeploymentFault, Fault
from penstock.consumer.handback import delay
from penstock.consumer.modes import Write, WriteMode
from penstock.consumer.setaside import set_aside
from penstock.consumer.transaction import land
from penstock.database import writer_engine
from penstock.intents import Contract, WriteIntent, kind_of
from penstock.queue import Queue, SqsQueue
from penstock.settings import Settings

_logger = logging.getLogger(__name__)


class Drain:
    """Which kind lands where, and the Lambda handler that lands them.

        drain = Drain()
        drain.write(StockAdjusted, Append(stock_adjustments))
        handler = drain.handler

    Settings are read from the environment at the first invocation; whatever is given here takes their place.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        engine: Engine | None = None,
        queue: Queue | None = None,
        dead_letters: Queue | None = None,
    ) -> None:
        """Make a drain of no kinds.

        Args:
            settings: in place of the environment's.
            engine: in place of the one that the settings name.
            queue: where the batches come from, in place of the one that the settings name.
            dead_letters: where dead letters go, in place of the queue that the settings name.
        """
        self._settings = settings
        self._given = (engine, queue, dead_letters)
        self._intents: list[type[WriteIntent]] = []
        self._writes: dict[str, Write] = {}

    def write(self, intent: type[WriteIntent], mode: WriteMode) -> None:
        """Have a kind of intents written by a write mode. Kinds are written in the order of these calls.

        Raises:
            penstock.consumer.BindingError: the intent and the table do not go together.
            TypeError: the kind is written already, or the class has none.
        """
        kind = kind_of(intent)
        if kind in self._writes:
            raise TypeError(f"the kind {kind!r} is written already")
        self._writes[kind] = mode.bind(intent)
        self._intents.append(intent)

    def handler(self, event: Mapping[str, Any], context: Any) -> dict[str, Any]:
        """Drain one SQS event; the Lambda handler of the consumer function.

        Nothing is acknowledged that is not committed or on the dead-letter queue, and nothing is raised once
        the transaction has been committed.

        Args:
            event: an SQS event of any number of records.
            context: the Lambda context of the invocation.

        Returns:
            The partial batch response: the messages to be delivered again.

        Raises:
            ValueError: the event is not one of SQS.
            penstock.settings.SettingsError: a setting is missing or bad.
        """
        batch = Batch.of(event, context)
        engine, queue, dead_letters = self._connections
        decode(batch, self._contract)
        try:
            land(engine, batch, self._writes)
        except Fault as fault:
            _log_fault(fault, batch)
            batch.hand_back(batch.items)
        else:
            set_aside(batch, dead_letters)
            batch.hand_back([item for item in batch.items if item.waiting])
        delay(batch.failed.values(), queue)
        _log_account(batch)
        return batch.report()

    @cached_property
    def _contract(self) -> Contract:
        return Contract(self._intents)

    @cached_property
    def _connections(self) -> tuple[Engine, Queue, Queue]:
        settings = self._settings or Settings.from_environment()
        engine, queue, dead_letters = self._given
        return (
            engine or writer_engine(settings),
            queue or SqsQueue(settings.require("queue_url").queue_url),
            dead_letters or SqsQueue(settings.require("dead_letter_queue_url").dead_letter_queue_url),
        )


def _log_fault(fault: Fault, batch: Batch) -> None:
    level = logging.ERROR if isinstance(fault, DeploymentFault) else logging.WARNING
    named = {"fault": type(fault).__name__, "records": len(batch.items)}
    _logger.log(level, "batch handed back: %s", fault, extra={"action": "batch_handed_back", **named})


def _log_account(batch: Batch) -> None:
    failed = len(batch.failed)
    duplicates = sum(item.duplicate for item in batch.items)
    counts = {"records": len(batch.items), "duplicates": duplicates, "handed_back": failed}
    _logger.info("drained", extra={"action": "drained", **counts})
