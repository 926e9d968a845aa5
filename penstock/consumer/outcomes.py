"""Outcomes: what the ledger says of an intent, for whoever holds its receipt."""

import logging
import time
from datetime import UTC, datetime, timedelta
from functools import cached_property

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from penstock.consumer.faults.sqlstate import fault_of
from penstock.database import reader_engine
from penstock.database.ledger import PENDING
from penstock.database.ledger_entries import find_entry
from penstock.database.retention import KEPT_DAYS
from penstock.intents import Outcome, OutcomeExpired, OutcomeUnavailable, Receipt, verify
from penstock.settings import SecretUnavailable, Settings, resolve_secret

_logger = logging.getLogger(__name__)

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.1, 1.0
_KEPT = timedelta(days=KEPT_DAYS)


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

    def find(self, receipt: str, *, wait_seconds: float = 0) -> Outcome:
        """Say what has become of the intent that `receipt` is for.

        Args:
            receipt: what the caller was given.
            wait_seconds: how long to wait for an outcome while it is pending. The ledger is asked again and again,
                at growing intervals, and not held in between.

        Raises:
            penstock.intents.InvalidReceipt: it is no receipt of this service; the database was not asked.
            penstock.intents.OutcomeExpired: it is of a time that the ledger has forgotten.
            penstock.intents.OutcomeUnavailable: the database, or the receipts' key, is out of reach.
            penstock.settings.SettingsError: a setting is missing or bad.
        """
        end = time.monotonic() + wait_seconds
        pause = _FIRST_PAUSE_SECONDS
        try:
            known = verify(receipt, resolve_secret(self._settings.receipt_key))
            while (outcome := self._look(known)).status == PENDING and (left := end - time.monotonic()) > 0:
                time.sleep(min(pause, left))
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
        except SecretUnavailable as error:
            raise OutcomeUnavailable(str(error)) from error
        except SQLAlchemyError as error:
            _logger.error("outcome: %s", fault_of(error), extra={"action": "outcome_unavailable"})
            raise OutcomeUnavailable("the database did not answer") from error
        return outcome

    def _look(self, receipt: Receipt) -> Outcome:
        with self._engine.connect() as connection:
            row = find_entry(connection, receipt.id)
        if row is None:
            if receipt.made_at and receipt.made_at < datetime.now(UTC) - _KEPT:
                raise OutcomeExpired("older than what the ledger keeps")
            return Outcome(receipt.id, "pending")
        if row.outcome == PENDING:
            return Outcome(receipt.id, "pending", row.created_at)
        fault = row.fault or {}
        return Outcome(
            receipt.id,
            row.outcome,
            row.created_at,
            row.settled_at,
            row.reused_at,
            fault.get("reason"),
            tuple(fault.get("fields", ())),
        )

    @cached_property
    def _settings(self) -> Settings:
        return (self._given_settings or Settings.from_environment()).require("receipt_key")

    @cached_property
    def _engine(self) -> Engine:
        return self._given_engine or reader_engine(self._settings)
