"""The step `announce`: an event about each outcome goes to the outbox, in the transaction of the outcome.

It is off unless the setting names an event bus, and then costs nothing. On the fast path it is one more statement
of the same pipeline.
"""

from collections.abc import Collection, Iterable
from typing import Final
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Connection, Insert, Text, Uuid, bindparam, func, insert, select

from penstock.consumer.batch import Item
from penstock.consumer.modes.ledger_claims import skipped_here
from penstock.consumer.pipeline.trip import Trip
from penstock.consumer.rows.server_text import text_of
from penstock.database.ledger import APPLIED, DEAD, EXPIRED, STALE, ledger
from penstock.database.outbox import outbox
from penstock.settings import Settings, SettingsError

OUTCOMES: Final = (APPLIED, STALE, EXPIRED, DEAD)
"""The outcomes that can have events: those that are final, or that a replay has to change."""

_COLUMNS: Final = ("id", "kind", "outcome", "reason", "stated_at", "settled_at")


def _announcing(*conditions: ColumnElement[bool]) -> Insert:
    return insert(outbox).from_select(
        list(_COLUMNS),
        select(
            ledger.c.id,
            ledger.c.kind,
            ledger.c.outcome,
            ledger.c.fault.op("->>", return_type=Text)("reason"),
            ledger.c.stated_at,
            ledger.c.settled_at,
        ).where(
            ledger.c.id == func.any(bindparam("ids", type_=ARRAY(Uuid))),
            ledger.c.outcome == func.any(bindparam("outcomes", type_=ARRAY(Text))),
            *conditions,
        ),
        include_defaults=False,
    )


_ANNOUNCE: Final = _announcing()
_ANNOUNCE_IN_TRIP: Final = text_of(_announcing(ledger.c.id.not_in(skipped_here())), ("ids", "outcomes"))
"""What took effect before, and was skipped, is not announced again."""
_TYPES: Final = (2951, 1009)
"""The types of these parameters (PostgreSQL, pg_type.dat): uuid[], text[]."""


class OutcomeEvents:
    """Writes the events of the chosen kinds and outcomes."""

    def __init__(self, outcomes: Collection[str] = OUTCOMES, kinds: Collection[str] = ()) -> None:
        """Choose.

        Args:
            outcomes: the outcomes that have events.
            kinds: the kinds that have events; all if there are none.
        """
        self._outcomes = list(outcomes)
        self._kinds = frozenset(kinds)
        self._lands = bool(set(outcomes) - {DEAD})

    @classmethod
    def of(cls, settings: Settings) -> "OutcomeEvents | None":
        """Return what the settings choose; None if they name no event bus.

        Raises:
            penstock.settings.SettingsError: there is no such outcome.
        """
        if not settings.event_bus:
            return None
        outcomes = words(settings.event_outcomes) or OUTCOMES
        if unknown := [outcome for outcome in outcomes if outcome not in OUTCOMES]:
            raise SettingsError(
                f"PENSTOCK_EVENT_OUTCOMES has {unknown[0]!r}: the outcomes are {', '.join(OUTCOMES)}, with commas"
            )
        return cls(outcomes, words(settings.event_kinds))

    def announce_landed(self, connection: Connection, items: Iterable[Item]) -> None:
        """Write the events of items that the fast path has claimed and written, or skipped: none of them is dead.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: Postgres refused; the transaction must be rolled back.
        """
        if self._lands:
            self.announce(connection, (item for item in items if not item.duplicate))

    def send_landed(self, trip: Trip, items: Iterable[Item]) -> None:
        """Do the same in one round trip with other statements.

        Raises:
            psycopg.OperationalError: the connection was lost.
        """
        if self._lands and (ids := self._ids(items)):
            arguments = [f"{{{','.join(map(str, words))}}}".encode() for words in (ids, self._outcomes)]
            trip.send(_ANNOUNCE_IN_TRIP, arguments, _TYPES)

    def announce(self, connection: Connection, items: Iterable[Item]) -> None:
        """Write the events of items whose outcome was entered in this transaction.

        What the ledger says counts: an item that is tried again has no event.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: Postgres refused; the transaction must be rolled back.
        """
        if ids := self._ids(items):
            connection.execute(_ANNOUNCE, {"ids": [*map(UUID, ids)], "outcomes": self._outcomes})

    def _ids(self, items: Iterable[Item]) -> set[str]:
        return {item.intent_id for item in items if not self._kinds or item.kind in self._kinds}


def words(text: str) -> tuple[str, ...]:
    """Return the words of a list with commas."""
    return tuple(word for part in text.split(",") if (word := part.strip()))
