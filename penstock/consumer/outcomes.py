"""Outcomes: the holder of a receipt reads what the ledger knows of the intent."""

import logging
import time
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from penstock.consumer.faults.sqlstate import fault_of
from penstock.consumer.resources import Resources
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
        """Prepare to look up outcomes; nothing is read and no connection is made before the first call.

        Args:
            settings: used instead of the environment.
            engine: used instead of the one that the settings name.
        """
        self._resources = Resources(settings, engine, reader_engine)

    def find(self, receipt: str, *, wait_seconds: float = 0) -> Outcome:
        """Return the outcome of the intent that `receipt` is for.

        Args:
            receipt: the receipt that the producer returned.
            wait_seconds: how long to wait while the outcome is pending. The ledger is read at growing intervals,
                and no connection is held in between.

        Raises:
            penstock.intents.InvalidReceipt: this service did not issue the receipt; the database was not read.
            penstock.intents.OutcomeExpired: it is older than what the ledger keeps.
            penstock.intents.OutcomeUnavailable: the database or the key of the receipts cannot be read.
            penstock.settings.SettingsError: a setting is missing or bad.
        """
        end = time.monotonic() + wait_seconds
        pause = _FIRST_PAUSE_SECONDS
        try:
            settings = self._resources.settings.require("receipt_key")
            known = verify(receipt, resolve_secret(settings.receipt_key))
            while (outcome := self._read(known)).status == PENDING and (left := end - time.monotonic()) > 0:
                time.sleep(min(pause, left))
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
        except SecretUnavailable as error:
            raise OutcomeUnavailable(str(error)) from error
        except SQLAlchemyError as error:
            _logger.error("outcome: %s", fault_of(error), extra={"action": "outcome_unavailable"})
            raise OutcomeUnavailable("the database did not answer") from error
        return outcome

    def _read(self, receipt: Receipt) -> Outcome:
        with self._resources.engine.connect() as connection:
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
