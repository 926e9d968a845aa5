"""The probe: a small scheduled function that turns the drain on again once the database takes a write.

    closed     no mark: the mapping is as its operators want it, and the database is not asked anything
    open       marked, and the database is unwell: nothing happens
    half-open  marked, and the database is well: the mapping is turned on, the mark stays for a round
    closed     marked, well, and found turned on: the mark comes down
    closed     with an operator's mark: it is left alone until it is on, when that mark comes down

The mark comes down a round later so that no order of events, with consumers tripping meanwhile, leaves the mapping
off without its mark, which would be for good.
"""

import logging
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine

from penstock.consumer.breaker.breaker import CHECKUP_SECONDS
from penstock.consumer.breaker.event_source import (
    GOING_OFF,
    MARK,
    OFF,
    ON,
    OPERATOR_MARK,
    EventSourceMapping,
    lambda_client,
)
from penstock.consumer.breaker.health_check import checkup
from penstock.consumer.resources import Resources
from penstock.database import writer_engine
from penstock.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

CLOSED = "closed"
OPEN = "open"
HALF_OPEN = "half-open"

_logger = logging.getLogger(__name__)


class Probe:
    """Looks after the breaker, and the Lambda handler that does; to be run every minute, one at a time.

    handler = Probe().handler
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        engine: Engine | None = None,
        client: "LambdaClient | None" = None,
    ) -> None:
        """Make it; settings are read from the environment at the first invocation unless given here.

        Args:
            settings: in place of the environment's.
            engine: in place of the one that the settings name.
            client: a boto3 Lambda client; by default that of `event_source.lambda_client`.
        """
        self._resources = Resources(settings, engine, writer_engine)
        self._given_client = client

    def handler(self, _event: Mapping[str, Any], context: Any) -> dict[str, str]:
        """Turn the mapping on again if the breaker turned it off and the database is well.

        Returns:
            `{"breaker": "closed" | "open" | "half-open"}`.

        Raises:
            penstock.settings.SettingsError: a setting is missing or bad.
            penstock.settings.SecretUnavailable: the database's URL cannot be read.
            penstock.consumer.breaker.event_source.MappingNotFound: there is no such mapping.
            botocore.exceptions.ClientError: Lambda refused; the next run tries again.
        """
        name = self._resources.settings.require("event_source_mapping").event_source_mapping
        mapping = EventSourceMapping.find(self._client, name, context.invoked_function_arn)
        return {"breaker": self._breaker(mapping)}

    def _breaker(self, mapping: EventSourceMapping) -> str:
        marks = mapping.marks
        if OPERATOR_MARK in marks:
            return _leave_alone(mapping)
        return self._look_after(mapping) if marks else CLOSED

    def _look_after(self, mapping: EventSourceMapping) -> str:
        fault = checkup(self._resources.database, CHECKUP_SECONDS)
        if fault:
            _logger.warning("breaker open: %s", fault, extra={"action": "breaker_open"})
            return OPEN
        state = mapping.state
        if state == ON:
            return _close(mapping)
        if OPERATOR_MARK in mapping.marks:  # Since a moment ago, when the database was asked.
            return CLOSED
        if state in {OFF, GOING_OFF} and mapping.switch(on=True):
            _logger.warning("breaker half-open", extra={"action": "breaker_half_open", "mapping": mapping.uuid})
        return HALF_OPEN

    @cached_property
    def _client(self) -> "LambdaClient":
        return self._given_client or lambda_client()


def _close(mapping: EventSourceMapping) -> str:
    if not mapping.release(MARK):
        return OPEN
    _logger.warning("breaker closed", extra={"action": "breaker_closed", "mapping": mapping.uuid})
    return CLOSED


def _leave_alone(mapping: EventSourceMapping) -> str:
    """Leave what an operator turned off, and take the mark down from what somebody has turned on since."""
    if mapping.state == ON:
        mapping.unmark(OPERATOR_MARK)
    return CLOSED
