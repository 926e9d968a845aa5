"""The breaker: while the database is unwell, the drain disables its own event source mapping.

Messages that are returned to the queue again and again use up receive counts and invocations. Messages that stay
on the queue use up neither. The probe enables the mapping again (see `penstock.consumer.breaker.probe`).

The breaker sets its mark before it disables the mapping: if the consumer is killed in between, the mapping is
never disabled without a mark for the probe. It sets the mark again afterwards, in case the probe removed it
meanwhile.
"""

import logging
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from penstock.consumer.batch import Batch
from penstock.consumer.breaker.event_source import (
    BREAKER,
    OPEN,
    EventSourceMapping,
    MappingNotFound,
    code_of,
    lambda_client,
)
from penstock.consumer.breaker.health_check import check_health
from penstock.consumer.faults.sqlstate import is_outage
from penstock.consumer.faults.tree import (
    ConflictFault,
    DeploymentFault,
    EnvironmentFault,
    Fault,
    KeyFault,
    PayloadFault,
    UndecidedFault,
)
from penstock.consumer.hooks import Transition
from penstock.database.watchdog import Watchdog
from penstock.metrics.names import BREAKER_TRANSITIONS
from penstock.metrics.recording import current

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

HEALTH_CHECK_SECONDS = 3.0

_CALL_SECONDS = 3.5
"""The longest that a call to Lambda takes, plus a margin to return the response."""

_MIN_SECONDS_TO_CHECK = 12.0
"""Up to 5 s to connect, the health check itself, and the calls that disable the mapping."""

_TIMEOUT_REASONS = {"DeadlineExceeded", "QueryCanceled"}

_logger = logging.getLogger(__name__)


class Breaker:
    """Disables the event source mapping of a drain."""

    def __init__(self, mapping: str, client: "LambdaClient | None" = None) -> None:
        """Set the mapping. AWS is not called before the breaker trips.

        Args:
            mapping: its UUID, or the name of the function that it feeds; empty if there is none to disable.
            client: a boto3 Lambda client; by default that of `lambda_client`.
        """
        self._mapping = mapping
        self._given_client = client

    def consider(self, raised: Fault | None, database: Watchdog, batch: Batch, context: Any) -> Transition | None:
        """Trip if the whole batch is to be retried and the database is unwell. Never raises.

        A fault may come from one lost connection. Therefore the breaker first runs the health check, the same one
        by which the probe closes it. On an environment fault without enough time left for the check, the breaker
        trips at once: a breaker that tripped by mistake is closed within minutes.

        A batch with a message near the end of its retention does not trip it: the drain goes on until it has
        dead-lettered all of them.

        Args:
            raised: why the transaction failed as a whole, if it did.
            database: the database.
            batch: the batch, with the items that are to be retried.
            context: the Lambda context of the invocation.

        Returns:
            The transition, if this call disabled the mapping.
        """
        try:
            fault = self._diagnose(raised or _common_fault(batch), database, batch)
            if fault:
                return self._trip(fault, batch, context)
        except MappingNotFound as error:
            _log_not_tripped(str(error))
        except Exception as error:  # noqa: BLE001 (the drain has yet to report the batch's failures)
            _log_not_tripped(code_of(error))
        return None

    def _diagnose(self, fault: Fault | None, database: Watchdog, batch: Batch) -> Fault | None:
        """Return the reason to trip; None if there is no reason, or no mapping to disable."""
        if fault is None or not _may_be_outage(fault) or _has_ending(batch):
            return None
        if not self._mapping:
            _log_not_tripped("PENSTOCK_EVENT_SOURCE_MAPPING is not set")
            return None
        if batch.seconds_left < _MIN_SECONDS_TO_CHECK:
            return fault if is_outage(fault) else None
        return check_health(database, HEALTH_CHECK_SECONDS)

    def _trip(self, fault: Fault, batch: Batch, context: Any) -> Transition | None:
        now = datetime.now(UTC)
        reason = f"{fault.cause.reason} {now.isoformat(timespec='seconds')}"
        _require_time_for_call(batch)
        source = batch.items[0].record.get("eventSourceARN")
        mapping = EventSourceMapping.find(self._client, self._mapping, context.invoked_function_arn, source)
        _require_time_for_call(batch)
        mapping.mark(reason)
        _require_time_for_call(batch)
        disabled = mapping.set_enabled(enabled=False)
        _require_time_for_call(batch)
        mapping.mark(reason)
        current().add(BREAKER_TRANSITIONS, 1, label=OPEN)
        extra = {"action": "breaker_tripped", "mapping": mapping.uuid}
        _logger.error("breaker tripped: %s", fault, extra=extra)
        # If another consumer is changing the mapping at the moment, the transition is that consumer's.
        if not disabled:
            return None
        return Transition(position=OPEN, by=BREAKER, why=reason, at=now, mapping=mapping.uuid)

    @cached_property
    def _client(self) -> "LambdaClient":
        return self._given_client or lambda_client()


def _common_fault(batch: Batch) -> Fault | None:
    """Return a fault if the transaction committed, but every item failed and every fault may be an outage."""
    faults = [item.fault for item in batch.items if item.fault]
    all_failed = len(batch.failed) == len(batch.items)
    return faults[0] if all_failed and faults and all(map(_may_be_outage, faults)) else None


def _has_ending(batch: Batch) -> bool:
    return any(isinstance(item.fault, UndecidedFault) for item in batch.items)


def _may_be_outage(fault: Fault) -> bool:
    """Return whether the next batch may fail by this fault as well; the health check decides.

    A conflict with another transaction, a batch too large for its deadline, and a payload or a key that cannot be
    fetched are no signs of an unwell database.
    """
    unwell = isinstance(fault, EnvironmentFault | DeploymentFault) and not isinstance(
        fault, ConflictFault | KeyFault | PayloadFault
    )
    return unwell and fault.cause.reason not in _TIMEOUT_REASONS


def _require_time_for_call(batch: Batch) -> None:
    if batch.seconds_left < _CALL_SECONDS:
        raise TimeoutError


def _log_not_tripped(reason: str) -> None:
    _logger.error("breaker not tripped: %s", reason, extra={"action": "breaker_not_tripped"})
