"""Held kinds: what the drain knows of them, and how it parks their messages.

The kinds are read at most every few seconds, so a batch usually costs no further round trip. Whether a hold still
stands is asked again, under a lock, before anything is parked.
"""

import logging
import time
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection
from sqlalchemy.exc import ProgrammingError

from penstock.consumer.batch import Item
from penstock.consumer.pipeline.dead_letters import outgoing_of
from penstock.database.holds import held_kinds, lock_held, park
from penstock.intents.reference import may_refer, read_reference
from penstock.queue import Attribute
from penstock.queue.payloads import day_of

KNOWN_SECONDS: Final = 5.0
"""How long a drain relies on the kinds that it has read: a hold takes effect after that time at the latest."""

_logger = logging.getLogger(__name__)


class HoldsUnknown(Exception):
    """The kinds cannot be read, which has broken the transaction; the next attempt goes without them."""


class HoldsChanged(Exception):
    """A kind is not held any more; the transaction must be rolled back, and the kinds read again."""


class Holds:
    """The kinds that are held, as a drain knows them."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._kinds: frozenset[str] = frozenset()
        self._read_at = float("-inf")

    def kinds(self, connection: Connection) -> frozenset[str]:
        """Return the kinds that are held.

        Raises:
            HoldsUnknown: the table is missing, or the role may not read it.
        """
        # Not the monotonic clock, which may stand still while Lambda freezes the function.
        now = time.time()
        if not 0 <= now - self._read_at < KNOWN_SECONDS:
            try:
                self._kinds, self._read_at = held_kinds(connection), now
            except ProgrammingError as error:
                # A drain that is deployed before the migration, or a role without a privilege, goes on writing.
                self._kinds, self._read_at = frozenset(), now
                named = {"action": "holds_unknown"}
                _logger.error("the holds cannot be read: %s", type(error.orig).__name__, extra=named)
                raise HoldsUnknown from error
        return self._kinds

    def forget(self) -> None:
        """Read the kinds again at the next attempt."""
        self._read_at = float("-inf")


def lock_holds(connection: Connection, kinds: Sequence[str]) -> None:
    """Keep the kinds held until the transaction has ended.

    Raises:
        HoldsChanged: one of them is not held any more.
    """
    if kinds and lock_held(connection, kinds) != {*kinds}:
        raise HoldsChanged


def park_items(connection: Connection, items: Sequence[Item]) -> None:
    """Park the messages of claimed items, whose kinds are held."""
    park(connection, [_row(item) for item in items])


def _row(item: Item) -> dict[str, Any]:
    message, envelope = outgoing_of(item), item.require_envelope()
    reference = read_reference(message.body) if may_refer(message.body) else None
    day = day_of(reference.dataref) if reference else None
    return {
        "message_id": item.message_id,
        "id": str(envelope.id),
        "kind": envelope.type,
        "body": message.body,
        "attributes": _stored(message.attributes),
        "message_group": message.group,
        "payload_at": day.isoformat() if day else None,
    }


def _stored(attributes: Mapping[str, Attribute]) -> dict[str, Any]:
    """Return attributes as JSON values: the type of each, and its text or its bytes in base64."""
    return {
        name: {"type": type_, "base64": b64encode(value).decode()}
        if isinstance(value, bytes)
        else {"type": type_, "text": value}
        for name, (value, type_) in attributes.items()
    }
