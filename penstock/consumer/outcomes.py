"""Outcomes: what the ledger says of an intent, for whoever holds its receipt."""

import logging
from functools import cached_property
from typing import Any
from uuid import UUID

from sqlalchemy import CompoundSelect, Engine, literal, select, union_all
from sqlalchemy.exc import SQLAlchemyError

from penstock.consumer.sqlstates import fault_of
from penstock.database import ledger, reader_engine
from penstock.database.ledger import PENDING, past
from penstock.intents import Outcome, OutcomeUnavailable, verify
from penstock.settings import SecretUnavailable, Settings, resolve_secret

_logger = logging.getLogger(__name__)


class Outcomes:
    """Looks outcomes up in the ledger, through the reader."""

    def __init__(self, settings: Settings | None = None, *, engine: Engine | None = None) -> None:
        """Make it; settings are read from the environment at the first question unless given here.

        Args:
            settings: in place of the environment's.
            engine: in place of the one that the settings name.
        """
        self._given_settings = settings
        self._given_engine = engine

    def find(self, receipt: str) -> Outcome:
        """Say what has become of the intent that `receipt` is for.

        Raises:
            penstock.intents.ForgedReceipt: it is no receipt of this service; the database was not asked.
            penstock.intents.OutcomeUnavailable: the database, or the receipts' key, is out of reach.
            penstock.settings.SettingsError: a setting is missing or bad.
        """
        try:
            id_ = verify(receipt, resolve_secret(self._settings.receipt_key)).id
            with self._engine.connect() as connection:
                row = connection.execute(_entry(id_)).one_or_none()
        except SecretUnavailable as error:
            raise OutcomeUnavailable(str(error)) from error
        except SQLAlchemyError as error:
            _logger.error("outcome: %s", fault_of(error), extra={"action": "outcome_unavailable"})
            raise OutcomeUnavailable("the database did not answer") from error
        if row is None or row.outcome == PENDING:
            return Outcome(id_, "pending")
        return Outcome(id_, row.outcome, row.settled_at, row.fault and row.fault.get("reason"))

    @cached_property
    def _settings(self) -> Settings:
        return (self._given_settings or Settings.from_environment()).require("receipt_key")

    @cached_property
    def _engine(self) -> Engine:
        return self._given_engine or reader_engine(self._settings)


def _entry(id_: UUID) -> CompoundSelect[Any]:
    """Select what is known of an intent; a dead one that landed later, after a replay, is in both generations."""
    generations = [
        select(t.c.outcome, t.c.settled_at, t.c.fault, literal(age).label("age")).where(t.c.id == id_)
        for age, t in enumerate((ledger, past))
    ]
    return union_all(*generations).order_by("age").limit(1)
