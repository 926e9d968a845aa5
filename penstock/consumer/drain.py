"""The drain: a batch of SQS records in, rows in Postgres and a partial batch response out."""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

from sqlalchemy import Engine

from penstock.consumer.batch import Batch, Item
from penstock.consumer.breaker.breaker import Breaker
from penstock.consumer.dead_letter import DeadLetter
from penstock.consumer.faults.tree import Fault
from penstock.consumer.hooks import HookCalls, Hooks, Transition
from penstock.consumer.modes.base import Bound, WriteMode
from penstock.consumer.modes.registry import WriteRegistry
from penstock.consumer.pipeline.dead_letters import send_to_dlq
from penstock.consumer.pipeline.decode import StreamDecoder
from penstock.consumer.pipeline.gc_pause import gc_paused
from penstock.consumer.pipeline.holding import Holds
from penstock.consumer.pipeline.logged import log_failure, log_result, log_unexpected
from penstock.consumer.pipeline.measuring import Measuring
from penstock.consumer.pipeline.outcome_events import OutcomeEvents
from penstock.consumer.pipeline.payloads import PayloadFetcher, fetch_keys
from penstock.consumer.pipeline.retention import take_back_ending
from penstock.consumer.pipeline.retry_delay import set_retry_visibility
from penstock.consumer.pipeline.settle_packs import settle_packs
from penstock.consumer.pipeline.tracing import link_traces
from penstock.consumer.pipeline.transaction import WriteStrategy, write_batch
from penstock.consumer.pipeline.unpack import unpack
from penstock.consumer.resources import Resources
from penstock.consumer.retention import Retention
from penstock.database import drain_engine
from penstock.encryption.keys import KeyService
from penstock.encryption.opener import KeyOpener
from penstock.intents import Contract, WriteIntent, kind_of
from penstock.intents.envelope_reader import EnvelopeReader
from penstock.queue import Payloads, Queue, payload_store
from penstock.settings import Settings


class Drain:
    """The kinds with their write modes, and the Lambda handler that writes them.

        drain = Drain()
        drain.write(StockAdjusted, Increment(stock, key="sku", add={"quantity": "delta"}))
        handler = drain.handler

    Settings are read from the environment at the first invocation. What is passed in here replaces them.

    Attributes:
        hooks: the hooks, which the probe calls, too.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        engine: Engine | None = None,
        queue: Queue | None = None,
        dead_letters: Queue | None = None,
        payloads: Payloads | None = None,
        keys: KeyService | None = None,
        on_dead_letter: Callable[[DeadLetter], object] | None = None,
        on_transition: Callable[[Transition], object] | None = None,
    ) -> None:
        """Make a drain without kinds.

        Args:
            settings: used instead of the environment.
            engine: used instead of the one that the settings name.
            queue: the queue of the batches, instead of the one that the settings name.
            dead_letters: the dead-letter queue, instead of the one that the settings name.
            payloads: the bucket of large intents, instead of the one that the settings name.
            keys: the key service of `Sensitive` fields, instead of AWS KMS.
            on_dead_letter: a hook, called when a letter is on the dead-letter queue.
            on_transition: a hook, called when the breaker opens, is half-open, or closes.
        """
        self._resources = Resources(settings, engine, drain_engine, queue=queue, dead_letters=dead_letters)
        self._payloads = payloads
        self._keys = keys
        self._holds = Holds()
        self._registry = WriteRegistry()
        self.hooks = Hooks(on_dead_letter=on_dead_letter, on_transition=on_transition)
        self._calls = HookCalls(lambda: self.hooks)

    def write(self, intent: type[WriteIntent], mode: WriteMode, *more: WriteMode) -> None:
        """Bind a kind of intents to a write mode, or to several.

            drain.write(OrderPlaced, Upsert(orders, key="order_id", version="placed_at"), Append(order_history))

        All writes of an intent are committed together, or none. Each field needs a column in one of the tables.

        Args:
            intent: the class of intents.
            mode: how an intent is written.
            more: how it is written to other tables besides.

        Raises:
            penstock.consumer.BindingError: the intent does not fit a table, or a mode does not fit the other
                modes of its table.
            TypeError: the kind is bound already, the class has no kind, or the drain has begun to work.
        """
        if "contract" in vars(self):
            raise TypeError(f"the kind {kind_of(intent)!r} is bound too late: the drain has begun to work")
        self._registry.add(intent, [mode, *more])

    def using(
        self,
        settings: Settings | None = None,
        *,
        engine: Engine | None = None,
        queue: Queue | None = None,
        dead_letters: Queue | None = None,
        payloads: Payloads | None = None,
        keys: KeyService | None = None,
    ) -> "Drain":
        """Return a drain of the same kinds with other resources, such as those of a test; see `__init__`.

        It has no hooks: a test tells nobody.
        """
        drain = Drain(
            settings, engine=engine, queue=queue, dead_letters=dead_letters, payloads=payloads, keys=keys
        )
        drain._registry = self._registry
        return drain

    def handler(self, event: Mapping[str, Any], context: Any) -> dict[str, Any]:
        """Drain one SQS event; the Lambda handler of the consumer function.

        A message is acknowledged only if its intent is committed or on the dead-letter queue. Nothing raises after
        the commit.

        Args:
            event: an SQS event of any number of records.
            context: the Lambda context of the invocation.

        Returns:
            The partial batch response: the messages to be delivered again.

        Raises:
            ValueError: the event is not an SQS event.
            TypeError: no kind is bound.
            penstock.settings.SettingsError: a setting is missing or bad.
        """
        # The batch is freed in the pause: otherwise the collector would look at all of it at the end.
        with gc_paused():
            return self._handle(event, context)

    def _handle(self, event: Mapping[str, Any], context: Any) -> dict[str, Any]:
        batch = Batch.of(event, context)
        try:
            with self._measuring.measured(batch):
                self._drain(batch, context)
        except Exception as error:
            log_unexpected(error, batch)
            raise
        return batch.report()

    def _drain(self, batch: Batch, context: Any) -> None:
        # Before the transaction, because a missing setting must not raise after the commit.
        database, queue, dead_letters = (
            self._resources.database,
            self._resources.queue,
            self._resources.dead_letters,
        )
        unpacked = unpack(batch, self.contract)
        fetched = {*unpacked, *self._payload_fetcher.fetch(batch, unpacked)}
        fetch_keys(batch, self.contract, unpacked)
        # Nothing is decoded yet. `write_batch` takes the batch from the decoder part by part, and sends a part to
        # Postgres before it takes the next: Postgres writes one part while Python decodes another.
        decoder = StreamDecoder(batch, self.contract, fetched, self._reader)
        batch_fault: Fault | None = None
        try:
            write_batch(
                database.transaction,
                batch,
                decoder,
                self._writes,
                strategy=self._strategy,
                retention=self._retention,
                events=self._events,
                holds=self._holds,
            )
        except Fault as fault:
            batch_fault = batch.fault = fault
        batch.settled_at = time.time()
        dead = _divide(batch, batch_fault, self._retention)
        steps: list[Callable[[], None]] = [
            lambda: self._calls.dead_letters(send_to_dlq(batch, dead, dead_letters)),
            lambda: settle_packs(batch, queue),
            lambda: link_traces(batch),
            lambda: set_retry_visibility(batch, queue, self._retention),
            lambda: self._calls.transition(self._breaker.consider(batch_fault, database, batch, context)),
            lambda: log_result(batch, batch_fault),
            lambda: self._calls.run(batch.seconds_left),
        ]
        for step in steps:
            _without_raising(step)

    def bound(self) -> list[Bound]:
        """Return how each kind is written, in the order of writing.

        Raises:
            penstock.consumer.BindingError: a binding does not fit.
        """
        return self._registry.bound()

    @cached_property
    def contract(self) -> Contract:
        """The contract that decodes envelopes; after its first use no kind can be added.

        Raises:
            TypeError: no kind is bound.
        """
        return self._registry.contract(KeyOpener(self._find_keys, lambda: self._resources.settings.digest_key))

    def _find_keys(self) -> KeyService:
        if self._keys is None:
            # Imported and made for the first encrypted value only.
            from penstock.encryption.kms import KmsKeys  # noqa: PLC0415

            self._keys = KmsKeys("")
        return self._keys

    @cached_property
    def _writes(self) -> list[Bound]:
        return self.bound()

    @cached_property
    def _reader(self) -> EnvelopeReader | None:
        if self._strategy is not WriteStrategy.ONE_TRIP:
            return None
        # A function of the service's gets objects.
        return self.contract.reader({bound.kind for bound in self._writes if bound.write.pipelined})

    @cached_property
    def _strategy(self) -> WriteStrategy:
        return WriteStrategy.ONE_TRIP if self._resources.settings.pipelines else WriteStrategy.ONE_BY_ONE

    @cached_property
    def _measuring(self) -> Measuring:
        return Measuring(self._resources, {bound.kind for bound in self._writes})

    @cached_property
    def _events(self) -> OutcomeEvents | None:
        return OutcomeEvents.of(self._resources.settings)

    @cached_property
    def _retention(self) -> Retention:
        return Retention(self._resources.queue)

    @cached_property
    def _breaker(self) -> Breaker:
        return Breaker(self._resources.settings.event_source_mapping)

    @cached_property
    def _payload_fetcher(self) -> PayloadFetcher:
        settings = self._resources.settings
        payloads = self._payloads or payload_store(settings.payload_bucket)
        return PayloadFetcher(payloads, settings.payload_limit, self.contract)


def _divide(batch: Batch, raised: Fault | None, retention: Retention) -> Sequence[Item]:
    """Hand back what is delivered again, and return what is dead. If even that fails, everything goes back."""
    try:
        unwritten = [item for item in batch.items if item.fault is not None or item.first_occurrence is not None]
        batch.hand_back(batch.items if raised else (item for item in unwritten if item.should_retry))
        ending = take_back_ending(batch, retention, raised)
        return ending if raised else [item for item in unwritten if item.is_dead]
    except Exception as error:  # noqa: BLE001 (nothing raises after the commit)
        log_failure(error)
        batch.hand_back(batch.items)
        return []


def _without_raising(step: Callable[[], None]) -> None:
    """Take a step after the commit, when nothing may raise: the response must tell what is delivered again."""
    try:
        step()
    except Exception as error:  # noqa: BLE001 (nothing raises after the commit)
        log_failure(error)
