"""The drain: a batch of SQS records in, rows in Postgres and a partial batch response out."""

import logging
from collections import Counter
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from sqlalchemy import Engine

from penstock.consumer.batch import Batch
from penstock.consumer.breaker.breaker import Breaker
from penstock.consumer.faults.tree import DeploymentFault, Fault
from penstock.consumer.modes.base import Bound, WriteMode
from penstock.consumer.modes.registry import Bindings
from penstock.consumer.pipeline.dead_letters import send_to_dlq
from penstock.consumer.pipeline.decode import Decoding
from penstock.consumer.pipeline.gc_pause import collecting_later
from penstock.consumer.pipeline.payloads import Redeeming
from penstock.consumer.pipeline.retry_delay import delay
from penstock.consumer.pipeline.tracing import link_traces
from penstock.consumer.pipeline.transaction import land
from penstock.database import drain_engine
from penstock.database.watchdog import Watchdog
from penstock.intents import Contract, WriteIntent, kind_of
from penstock.queue import Payloads, Queue, SqsQueue, payload_store
from penstock.settings import Settings

_logger = logging.getLogger(__name__)


class Drain:
    """Which kind lands where, and the Lambda handler that lands them.

        drain = Drain()
        drain.write(StockAdjusted, Increment(stock, key="sku", add={"quantity": "delta"}))
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
        payloads: Payloads | None = None,
    ) -> None:
        """Make a drain of no kinds.

        Args:
            settings: in place of the environment's.
            engine: in place of the one that the settings name.
            queue: where the batches come from, in place of the one that the settings name.
            dead_letters: where dead letters go, in place of the queue that the settings name.
            payloads: where large intents rest, in place of the bucket that the settings name.
        """
        self._given_settings = settings
        self._given = (engine, queue, dead_letters)
        self._given_payloads = payloads
        self._bindings = Bindings()

    def write(self, intent: type[WriteIntent], mode: WriteMode) -> None:
        """Have a kind of intents written by a write mode.

        Raises:
            penstock.consumer.BindingError: the intent and the table do not go together, or not with what else is
                written to that table.
            TypeError: the kind is written already, the class has none, or the drain is at work already.
        """
        if "contract" in vars(self):
            raise TypeError(f"the kind {kind_of(intent)!r} comes too late: the drain is at work")
        self._bindings.add(intent, mode)

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
            TypeError: no kind is written.
            penstock.settings.SettingsError: a setting is missing or bad.
        """
        batch = Batch.of(event, context)
        with collecting_later():
            self._drain(batch, context)
        return batch.report()

    def _drain(self, batch: Batch, context: Any) -> None:
        database, queue, dead_letters = self._connections
        decoding = Decoding(batch, self.contract, self._redeeming.redeem(batch))
        raised: Fault | None = None
        try:
            land(database.transaction, batch, decoding, self._writes)
        except Fault as fault:
            _log_fault(fault, len(batch.items))
            batch.hand_back(batch.items)
            raised = fault
        else:
            batch.hand_back(item for item in batch.items if item.returns)
            send_to_dlq(batch, dead_letters)
        link_traces(batch)
        delay(batch, queue)
        self._breaker.consider(raised, database, batch, context)
        _log_account(batch)

    def bound(self) -> list[Bound]:
        """Return how each kind is written, in the order in which they are.

        Raises:
            penstock.consumer.BindingError: something does not go together.
        """
        return self._bindings.bound()

    @cached_property
    def contract(self) -> Contract:
        """What reads the envelopes; once it has been asked for, no kind can be added.

        Raises:
            TypeError: no kind is written.
        """
        return self._bindings.contract()

    @cached_property
    def _writes(self) -> list[Bound]:
        return self.bound()

    @cached_property
    def _settings(self) -> Settings:
        return self._given_settings or Settings.from_environment()

    @cached_property
    def _breaker(self) -> Breaker:
        return Breaker(self._settings.event_source_mapping)

    @cached_property
    def _redeeming(self) -> Redeeming:
        settings = self._settings
        payloads = self._given_payloads or payload_store(settings.payload_bucket)
        return Redeeming(payloads, settings.payload_limit, self.contract)

    @cached_property
    def _connections(self) -> tuple[Watchdog, Queue, Queue]:
        settings = self._settings
        engine, queue, dead_letters = self._given
        return (
            Watchdog(engine or drain_engine(settings)),
            queue or SqsQueue(settings.require("queue_url").queue_url),
            dead_letters or SqsQueue(settings.require("dead_letter_queue_url").dead_letter_queue_url),
        )


def _log_fault(fault: Fault, records: int) -> None:
    level = logging.ERROR if isinstance(fault, DeploymentFault) else logging.WARNING
    named = {"fault": type(fault).__name__, "records": records}
    _logger.log(level, "handed back: %s", fault, extra={"action": "handed_back", **named})


def _log_account(batch: Batch) -> None:
    """Say what became of the batch, and why what went back did; no value of an intent."""
    causes = Counter((type(item.fault), item.fault.cause) for item in batch.failed.values() if item.fault)
    for (kind, cause), records in causes.items():
        _log_fault(kind(cause), records)
    duplicates = sum(item.duplicate or item.twin is not None for item in batch.items)
    counts = {"records": len(batch.items), "duplicates": duplicates, "handed_back": len(batch.failed)}
    _logger.info("drained", extra={"action": "drained", **counts})
