"""The pruning: a small scheduled function that has the ledger and the tombstones forget what is too old."""

import logging
from collections.abc import Mapping
from dataclasses import asdict
from functools import cached_property
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from penstock.consumer.faults.sqlstate import fault_of
from penstock.database import writer_engine
from penstock.database.retention import POSTPONED, prune
from penstock.database.watchdog import Watchdog
from penstock.settings import Settings

_SECONDS_TO_ANSWER = 5.0

_logger = logging.getLogger(__name__)


class Prune:
    """Prunes the framework's tables (see `penstock.database.retention`), and the Lambda handler that does.

    handler = Prune().handler
    """

    def __init__(self, settings: Settings | None = None, *, engine: Engine | None = None) -> None:
        """Make it; settings are read from the environment at the first invocation unless given here.

        Args:
            settings: in place of the environment's.
            engine: in place of the one that the settings name.
        """
        self._given_settings = settings
        self._given_engine = engine

    def handler(self, _event: Mapping[str, Any], context: Any) -> dict[str, Any]:
        """Prune, and log what was done; to be run once a day.

        Returns:
            `{"rotation": "rotated" | "not-due" | "postponed", "tombstones": ..., "seconds": ...}`.

        Raises:
            penstock.settings.SettingsError: a setting is missing or bad.
            penstock.settings.SecretUnavailable: the database's URL cannot be read.
            sqlalchemy.exc.SQLAlchemyError: the database refused, or is away; the next run tries again.
        """
        seconds = context.get_remaining_time_in_millis() / 1000 - _SECONDS_TO_ANSWER
        try:
            done = prune(self._database, seconds)
        except SQLAlchemyError as error:
            _logger.error("not pruned: %s", fault_of(error), extra={"action": "prune_failed"})
            raise
        if done.rotation == POSTPONED:
            _logger.warning("the ledger was in use: rotation postponed", extra={"action": "rotation_postponed"})
        _logger.info("pruned", extra={"action": "pruned", **asdict(done)})
        return asdict(done)

    @cached_property
    def _database(self) -> Watchdog:
        return Watchdog(self._given_engine or writer_engine(self._given_settings or Settings.from_environment()))
