"""The breaker: while the database is unwell the drain turns off the event source mapping that feeds it.

What is handed back again and again burns receive counts and invocations for nothing; what stays on the queue
burns neither. The probe turns the mapping on again (see `penstock.consumer.breaker.probe`).

The mark goes up before the mapping is turned off, so that a consumer killed in between leaves nothing off that the
probe does not know of; and once more after, in case the probe took it down in the meantime.
"""

import logging
from datetime import UTC, datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from penstock.consumer.batch import Batch
from penstock.consumer.breaker.event_source import EventSourceMapping, MappingNotFound, code_of, lambda_client
from penstock.consumer.breaker.health_check import checkup
from penstock.consumer.faults.tree import ConflictFault, DeploymentFault, EnvironmentFault, Fault, PayloadFault
from penstock.database.watchdog import Watchdog

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

CHECKUP_SECONDS = 3.0

_CALL_SECONDS = 3.5
"""The longest that a call to Lambda takes, and a little for the answer."""

_TIME_FOR_A_CHECKUP = 12.0
"""Connecting has its 5 s beside the checkup's own, and the mapping is to be turned off after it."""

_TOO_SLOW = {"DeadlineExceeded", "QueryCanceled"}

_logger = logging.getLogger(__name__)


class Breaker:
    """Turns off the event source mapping of a drain."""

    def __init__(self, mapping: str, client: "LambdaClient | None" = None) -> None:
        """Take the mapping; nothing is asked of AWS before it has to be turned off.

        Args:
            mapping: its UUID, or the name of the function that it feeds; empty if there is none to turn off.
            client: a boto3 Lambda client; by default one of `lambda_client`.
        """
        self._mapping = mapping
        self._given_client = client

    def consider(self, raised: Fault | None, database: Watchdog, batch: Batch, context: Any) -> None:
        """Trip if all of a batch was handed back and the database is unwell. Never raises.

        A lost connection may be all there was to it: the database is asked again, by the very checkup that would
        heal the breaker. Where the database is away and there is no time to ask, it trips at once, since a breaker
        that was tripped by mistake heals within minutes.

        Args:
            raised: why the transaction failed as a whole, if it did.
            database: the database.
            batch: the batch, with what was handed back.
            context: the Lambda context of the invocation.
        """
        try:
            fault = self._diagnosis(raised or _shared(batch), database, batch)
            if fault:
                self._trip(fault, batch, context)
        except MappingNotFound as error:
            _log_not_tripped(str(error))
        except Exception as error:  # noqa: BLE001 (the batch is handed back, which the drain has yet to say)
            _log_not_tripped(code_of(error))

    def _diagnosis(self, fault: Fault | None, database: Watchdog, batch: Batch) -> Fault | None:
        """Return why to trip, None if there is no reason or nothing to turn off."""
        if fault is None or not _suspicious(fault):
            return None
        if not self._mapping:
            _log_not_tripped("PENSTOCK_EVENT_SOURCE_MAPPING is not set")
            return None
        if batch.seconds_left < _TIME_FOR_A_CHECKUP:
            return fault if isinstance(fault, EnvironmentFault) else None
        return checkup(database, CHECKUP_SECONDS)

    def _trip(self, fault: Fault, batch: Batch, context: Any) -> None:
        why = f"{fault.cause.reason} {datetime.now(UTC).isoformat(timespec='seconds')}"
        _leave_time_for_a_call(batch)
        source = batch.items[0].record.get("eventSourceARN")
        mapping = EventSourceMapping.find(self._client, self._mapping, context.invoked_function_arn, source)
        mark = partial(mapping.mark, why)
        for step in (mark, partial(mapping.switch, on=False), mark):
            _leave_time_for_a_call(batch)
            step()
        named = {"action": "breaker_tripped", "mapping": mapping.uuid}
        _logger.error("breaker tripped: %s", fault, extra=named)

    @cached_property
    def _client(self) -> "LambdaClient":
        return self._given_client or lambda_client()


def _shared(batch: Batch) -> Fault | None:
    """Return why all of a batch was handed back although its transaction went through; None if that is not so."""
    faults = [item.fault for item in batch.items if item.fault]
    whole = len(batch.failed) == len(batch.items)
    return faults[0] if whole and faults and all(map(_suspicious, faults)) else None


def _suspicious(fault: Fault) -> bool:
    """Tell whether a fault may mean that the next batch fares no better; the checkup will tell.

    Another transaction in the way, a batch too big for its time, or payloads out of reach say nothing of the
    database.
    """
    unwell = isinstance(fault, EnvironmentFault | DeploymentFault) and not isinstance(
        fault, ConflictFault | PayloadFault
    )
    return unwell and fault.cause.reason not in _TOO_SLOW


def _leave_time_for_a_call(batch: Batch) -> None:
    if batch.seconds_left < _CALL_SECONDS:
        raise TimeoutError


def _log_not_tripped(why: str) -> None:
    _logger.error("breaker not tripped: %s", why, extra={"action": "breaker_not_tripped"})
