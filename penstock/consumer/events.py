"""A small scheduled function that sends the events of the outbox to an EventBridge event bus.

An event is locked in a transaction, sent, and deleted if EventBridge has accepted it. So it is sent at least once.
What is refused stays, and the next run tries it again. Any number of senders may run at once.
"""

import json
import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from penstock.aws import aws_client, fail_fast_config
from penstock.consumer.faults.sqlstate import fault_of
from penstock.consumer.resources import Resources
from penstock.database import writer_engine
from penstock.database.outbox import OutcomeEvent, delete_events, lock_events
from penstock.queue.chunks import chunked
from penstock.queue.concurrency import for_each
from penstock.settings import Settings

DETAIL_TYPE: Final = "Penstock Intent Outcome"

_ENTRIES: Final = 10
"""The most entries of one call (Amazon EventBridge API Reference, "PutEvents"). Ten of Penstock's take some 4 KB,
and 130 KB of the 256 KB that a call may have if the service gives reasons as long as a cause can be."""

_SET: Final = 500
_THREADS: Final = 8
_SECONDS_TO_ANSWER: Final = 5.0
_LONGEST_SET_SECONDS: Final = 30.0
"""Postgres ends a session that waits in a transaction for a minute."""

_CALL_SECONDS: Final = 8.0
"""The longest that a call to EventBridge takes: two attempts of a second to connect and three to answer."""

_logger = logging.getLogger(__name__)


class EventsRefused(Exception):
    """EventBridge did not accept every event; those that it refused are tried again by the next run."""


@dataclass(slots=True)
class _Sent:
    """What became of some events: the positions of those that were accepted, and the errors of the others."""

    accepted: list[int] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)


class EventSender:
    """Sends the events of the outbox in a Lambda handler.

    handler = EventSender().handler
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        engine: Engine | None = None,
        client: Any = None,
    ) -> None:
        """Prepare to send; nothing is read and no connection is made before the first invocation.

        Args:
            settings: used instead of the environment.
            engine: used instead of one for the database that the settings name.
            client: a boto3 client of EventBridge, instead of one with the region of the environment.
        """
        self._resources = Resources(settings, engine, writer_engine)
        self._given_client = client

    def handler(self, _event: Mapping[str, Any], context: Any) -> dict[str, int]:
        """Send what waits, until nothing is left or the time is over. Schedule it every minute.

        Returns:
            `{"sent": ...}`, the number of events.

        Raises:
            EventsRefused: some were not accepted; the message has the error codes.
            penstock.settings.SettingsError: a setting is missing or bad.
            penstock.settings.SecretUnavailable: the database's URL cannot be read.
            botocore.exceptions.ClientError: the event bus does not exist, or may not be described.
            botocore.exceptions.BotoCoreError: EventBridge cannot be reached.
            sqlalchemy.exc.SQLAlchemyError: the database refused or cannot be reached; the next run tries again.
        """
        end = time.monotonic() + context.get_remaining_time_in_millis() / 1000 - _SECONDS_TO_ANSWER
        # EventBridge accepts events for a bus that does not exist, and drops them.
        self._client.describe_event_bus(Name=self._settings.event_bus)
        try:
            count, errors = self._send_all(end)
        except SQLAlchemyError as error:
            _logger.error("events not sent: %s", fault_of(error), extra={"action": "events_failed"})
            raise
        refused = sum(errors.values())
        _logger.info("events sent", extra={"action": "events_sent", "events": count, "refused": refused})
        if refused:
            codes = ", ".join(f"{code} {number}" for code, number in errors.most_common())
            raise EventsRefused(f"EventBridge did not accept {refused} events ({codes}): the next run tries again")
        return {"sent": count}

    def _send_all(self, end: float) -> tuple[int, Counter[str]]:
        count, errors, after = 0, Counter[str](), 0
        while (left := end - time.monotonic()) > _CALL_SECONDS:
            with self._resources.database.transaction(left) as connection:
                events = lock_events(connection, after, _SET)
                sent = self._send(events, time.monotonic() + min(left - _CALL_SECONDS, _LONGEST_SET_SECONDS))
                delete_events(connection, sent.accepted)
            count, errors = count + len(sent.accepted), errors + sent.errors
            # What is refused is passed over. If a whole set is, EventBridge is unwell.
            if not sent.accepted:
                break
            after = events[-1].position
        return count, errors

    def _send(self, events: Sequence[OutcomeEvent], until: float) -> _Sent:
        """Send events in several calls at once; those that there is no time for stay, without an error."""
        sent = _Sent()

        def put(some: Sequence[OutcomeEvent]) -> None:
            if time.monotonic() < until:
                self._put(some, sent)

        for_each(chunked(events, _ENTRIES), put, _THREADS)
        return sent

    def _put(self, events: Sequence[OutcomeEvent], sent: _Sent) -> None:
        try:
            answer = self._client.put_events(Entries=[self._entry(event) for event in events])
        except ClientError as error:
            sent.errors[error.response["Error"]["Code"]] += len(events)
            return
        except BotoCoreError as error:
            sent.errors[type(error).__name__] += len(events)
            return
        for event, entry in zip(events, answer["Entries"], strict=True):
            if entry.get("EventId") and not entry.get("ErrorCode"):
                sent.accepted.append(event.position)
            else:
                sent.errors[entry.get("ErrorCode", "unknown")] += 1

    def _entry(self, event: OutcomeEvent) -> Any:
        detail = {
            "event": f"{event.id}:{event.outcome}",
            "id": str(event.id),
            "kind": event.kind,
            "outcome": event.outcome,
            "stated_at": event.stated_at.isoformat(),
            "settled_at": event.settled_at.isoformat(),
        }
        reason = {"reason": event.reason} if event.reason else {}
        return {
            "EventBusName": self._settings.event_bus,
            "Source": self._settings.source,
            "DetailType": DETAIL_TYPE,
            "Time": event.settled_at,
            "Detail": json.dumps(detail | reason),
        }

    @cached_property
    def _settings(self) -> Settings:
        return self._resources.settings.require("event_bus", "source")

    @cached_property
    def _client(self) -> Any:
        return self._given_client or aws_client("events", fail_fast_config(read_timeout=3))
