"""Outcomes: the holder of a receipt reads what the ledger knows of the intent.

The reader may be a replica that lags behind. `applied`, `stale` and `expired` are final, so they are true there
too, and what has not arrived is `pending`. That an intent is dead, or older than what the ledger keeps, may have
become false: a replay can have applied it meanwhile. Before either is the answer, the writer is asked.
"""

import logging
import time
from datetime import UTC, datetime, timedelta
from functools import cached_property
from uuid import UUID

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from penstock.consumer.faults.sqlstate import fault_of
from penstock.consumer.faults.tree import ConflictFault
from penstock.consumer.resources import Resources
from penstock.database import reader_engine, writer_engine
from penstock.database.holds import is_parked
from penstock.database.ledger import DEAD, HELD, PENDING
from penstock.database.ledger_entries import LedgerEntry, find_entry
from penstock.database.retention import KEPT_DAYS
from penstock.database.watchdog import Watchdog
from penstock.intents import Outcome, OutcomeExpired, OutcomeUnavailable, Receipt
from penstock.intents.receipt_keys import verify_receipt
from penstock.settings import SecretUnavailable, Settings

_logger = logging.getLogger(__name__)

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.1, 1.0
_READ_SECONDS = 3.0
"""The limit of one read, so that a caller gets an answer while the database is silent."""
_KEPT = timedelta(days=KEPT_DAYS)


class Outcomes:
    """Looks outcomes up in the ledger, through the reader."""

    def __init__(self, settings: Settings | None = None, *, engine: Engine | None = None) -> None:
        """Prepare to look up outcomes; nothing is read and no connection is made before the first call.

        Args:
            settings: used instead of the environment.
            engine: used instead of those that the settings name. It is taken for the writer.
        """
        self._resources = Resources(settings, engine, reader_engine)
        self._reads_writer = engine is not None

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
            known = verify_receipt(receipt, settings.receipt_key)
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
        entry = _find_entry(self._resources.database, receipt.id)
        if self._writer and (entry.outcome == DEAD if entry else _is_expired(receipt)):
            entry = _find_entry(self._writer, receipt.id)
        if entry is None and _is_expired(receipt) and self._is_parked(receipt):
            return Outcome(receipt.id, "pending", reason=HELD)
        return _outcome_of(receipt, entry)

    def _is_parked(self, receipt: Receipt) -> bool:
        """Return whether an intent that the ledger has forgotten still waits for the release of its kind."""
        database = self._writer or self._resources.database
        with database.transaction(_READ_SECONDS) as connection:
            return is_parked(connection, receipt.id)

    @cached_property
    def _writer(self) -> Watchdog | None:
        """The writer; None if outcomes are read there anyway, or if the settings do not name it."""
        settings = self._resources.settings
        if self._reads_writer or settings.database_url in {"", settings.database_reader_url}:
            return None
        return Watchdog(writer_engine(settings))


def _find_entry(database: Watchdog, id_: UUID) -> LedgerEntry | None:
    """Read the entry; once more if a replica cancelled the read, for what it had to replay (SQLSTATE 40001)."""
    try:
        return _read_entry(database, id_)
    except SQLAlchemyError as error:
        if not isinstance(fault_of(error), ConflictFault):
            raise
        return _read_entry(database, id_)


def _read_entry(database: Watchdog, id_: UUID) -> LedgerEntry | None:
    with database.transaction(_READ_SECONDS) as connection:
        return find_entry(connection, id_)


def _is_expired(receipt: Receipt) -> bool:
    return receipt.made_at is not None and receipt.made_at < datetime.now(UTC) - _KEPT


def _outcome_of(receipt: Receipt, entry: LedgerEntry | None) -> Outcome:
    if entry is None:
        if _is_expired(receipt):
            raise OutcomeExpired("older than what the ledger keeps")
        return Outcome(receipt.id, "pending")
    fault = entry.fault or {}
    if entry.outcome == PENDING:
        reason = HELD if fault.get("reason") == HELD else None
        return Outcome(receipt.id, "pending", entry.created_at, reason=reason)
    return Outcome(
        receipt.id,
        entry.outcome,
        entry.created_at,
        entry.settled_at,
        entry.reused_at,
        fault.get("reason"),
        tuple(fault.get("fields", ())),
    )
