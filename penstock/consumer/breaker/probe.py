"""The probe: a small scheduled function that enables the drain's mapping once the database accepts a write.

    closed     no mark: the mapping is as its operators want it; the probe does not check the database
    open       marked, and the database is unwell: the probe changes nothing
    half-open  marked, and the database is well: the probe enables the mapping and keeps the mark for one more run
    closed     marked, the database is well and the mapping is enabled: the probe removes the mark
    closed     with an operator's mark: the probe only removes that mark, once the mapping is enabled

While the mapping is disabled, the probe also sweeps the queue, whoever disabled it: see `sweep`.

The mark is removed one run later because consumers may trip the breaker meanwhile. In no order of events is the
mapping then disabled without its mark, which would be permanent.
"""

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine

from penstock.consumer.breaker.breaker import HEALTH_CHECK_SECONDS
from penstock.consumer.breaker.event_source import (
    CLOSED,
    DISABLED,
    DISABLING,
    ENABLED,
    HALF_OPEN,
    MARK,
    OPEN,
    OPERATOR_MARK,
    PROBE,
    UNKNOWN,
    EventSourceMapping,
    lambda_client,
)
from penstock.consumer.breaker.health_check import check_health
from penstock.consumer.breaker.sweep import Sweep
from penstock.consumer.hooks import HookCalls, Hooks, Transition
from penstock.consumer.resources import Resources
from penstock.database import writer_engine
from penstock.metrics.names import BREAKER_OPEN, BREAKER_TRANSITIONS, HEALTH_CHECKS, SWEPT
from penstock.metrics.recording import current, recording
from penstock.queue import Queue
from penstock.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

_SECONDS_TO_ANSWER = 10.0
"""In the last seconds, or in the second half of a shorter time, a sweep receives no more. What it received before
may take two slow calls to the queues."""

_logger = logging.getLogger(__name__)


class Probe:
    """Closes the breaker again. Schedule its Lambda handler every minute, with a concurrency of one.

    handler = Probe(hooks=lambda: drain.hooks).handler

    Attributes:
        hooks: returns the hooks.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        engine: Engine | None = None,
        client: "LambdaClient | None" = None,
        queue: Queue | None = None,
        dead_letters: Queue | None = None,
        hooks: Callable[[], Hooks] = Hooks,
    ) -> None:
        """Make a probe. Without settings, it reads them from the environment at the first invocation.

        Args:
            settings: used instead of the environment.
            engine: used instead of one for the database that the settings name.
            client: a boto3 Lambda client; by default that of `event_source.lambda_client`.
            queue: the main queue, instead of the one that the settings name.
            dead_letters: the dead-letter queue, instead of the one that the settings name.
            hooks: returns the hooks; called when there is something to tell them, and may raise.
        """
        self._resources = Resources(settings, engine, writer_engine, queue=queue, dead_letters=dead_letters)
        self._given_client = client
        self.hooks = hooks
        self._calls = HookCalls(hooks)

    def handler(self, _event: Mapping[str, Any], context: Any) -> dict[str, str]:
        """Enable the mapping again if the breaker disabled it and the database is well; else sweep if that is due.

        Returns:
            `{"breaker": "closed" | "open" | "half-open"}`.

        Raises:
            penstock.settings.SettingsError: a setting is missing or invalid.
            penstock.settings.SecretUnavailable: the database's URL cannot be read.
            penstock.consumer.breaker.event_source.MappingNotFound: the mapping is not found.
            botocore.exceptions.ClientError: Lambda refused a call; the next run tries again.
            penstock.queue.QueueError: the queue cannot be read.
        """
        name = self._resources.settings.require("event_source_mapping").event_source_mapping
        with recording(for_cloudwatch=self._resources.settings.metrics) as metrics:
            position = self._run(name, context)
            metrics.add(BREAKER_OPEN, int(position == OPEN))
        return {"breaker": position}

    def _run(self, name: str, context: Any) -> str:
        mapping = EventSourceMapping.find(self._client, name, context.invoked_function_arn)
        position = OPEN
        try:
            position = self._update(mapping)
        finally:  # A missing secret of the database, too, must not end in messages that the queue drops.
            try:
                if position != HALF_OPEN:
                    self._sweep_if_off(mapping, context)
            finally:
                self._calls.run(context.get_remaining_time_in_millis() / 1000)
        return position

    def _sweep_if_off(self, mapping: EventSourceMapping, context: Any) -> None:
        if not self._sweep.is_due:
            return
        disabled_at = mapping.disabled_at
        if disabled_at is not None and self._sweep.is_long_ago(disabled_at):
            left = context.get_remaining_time_in_millis() / 1000
            swept = self._sweep.run(left - min(_SECONDS_TO_ANSWER, left / 2), context.function_version)
            current().add(SWEPT, swept)

    def _update(self, mapping: EventSourceMapping) -> str:
        marks = mapping.marks
        if OPERATOR_MARK in marks:
            return self._keep_operators_state(mapping, marks[OPERATOR_MARK])
        return self._close_if_well(mapping, marks[MARK]) if marks else CLOSED

    def _close_if_well(self, mapping: EventSourceMapping, why: str) -> str:
        fault = check_health(self._resources.database, HEALTH_CHECK_SECONDS)
        current().add(HEALTH_CHECKS, 1, label="unwell" if fault else "well")
        if fault:
            _logger.warning("breaker open: %s", fault, extra={"action": "breaker_open"})
            return OPEN
        state = mapping.state
        if state == ENABLED:
            return self._close(mapping, why)
        if OPERATOR_MARK in mapping.marks:  # An operator may have set it during the health check.
            return CLOSED
        if state in {DISABLED, DISABLING} and mapping.set_enabled(enabled=True):
            current().add(BREAKER_TRANSITIONS, 1, label=HALF_OPEN)
            _logger.warning("breaker half-open", extra={"action": "breaker_half_open", "mapping": mapping.uuid})
            self._moved(mapping, HALF_OPEN, PROBE, why)
        return HALF_OPEN

    def _close(self, mapping: EventSourceMapping, why: str) -> str:
        if not mapping.clear_marks(MARK):
            return OPEN
        current().add(BREAKER_TRANSITIONS, 1, label=CLOSED)
        _logger.warning("breaker closed", extra={"action": "breaker_closed", "mapping": mapping.uuid})
        self._moved(mapping, CLOSED, PROBE, why)
        return CLOSED

    def _keep_operators_state(self, mapping: EventSourceMapping, why: str) -> str:
        """Keep the mapping as it is, and remove the operator's mark if the mapping has been enabled since."""
        if mapping.state == ENABLED:
            mapping.unmark(OPERATOR_MARK)
            self._moved(mapping, CLOSED, UNKNOWN, why)
        return CLOSED

    def _moved(self, mapping: EventSourceMapping, position: str, by: str, why: str) -> None:
        now = datetime.now(UTC)
        self._calls.transition(Transition(position=position, by=by, why=why, at=now, mapping=mapping.uuid))

    @cached_property
    def _sweep(self) -> Sweep:
        return Sweep(self._resources.queue, self._resources.dead_letters, self._calls.dead_letters)

    @cached_property
    def _client(self) -> "LambdaClient":
        return self._given_client or lambda_client()
