"""A small scheduled function that removes old entries from the ledger and old tombstones."""

import logging
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from penstock.consumer.faults.sqlstate import fault_of
from penstock.consumer.resources import Resources
from penstock.database import writer_engine
from penstock.database.retention import POSTPONED, prune
from penstock.metrics.names import PRUNE_DURATION, ROTATIONS, TOMBSTONES_DELETED
from penstock.metrics.recording import recording
from penstock.settings import Settings

_SECONDS_TO_ANSWER = 5.0

_logger = logging.getLogger(__name__)


class Prune:
    """Prunes the framework's tables (see `penstock.database.retention`) in a Lambda handler.

    handler = Prune().handler
    """

    def __init__(self, settings: Settings | None = None, *, engine: Engine | None = None) -> None:
        """Prepare to prune; nothing is read and no connection is made before the first invocation.

        Args:
            settings: used instead of the environment.
            engine: used instead of the one that the settings name.
        """
        self._resources = Resources(settings, engine, writer_engine)

    def handler(self, _event: Mapping[str, Any], context: Any) -> dict[str, Any]:
        """Prune, and log the result. To be scheduled once a day.

        Returns:
            `{"rotation": "rotated" | "not-due" | "postponed", "tombstones": ..., "seconds": ...}`.

        Raises:
            penstock.settings.SettingsError: a setting is missing or bad.
            penstock.settings.SecretUnavailable: the database's URL cannot be read.
            sqlalchemy.exc.SQLAlchemyError: the database refused or cannot be reached; the next run tries again.
        """
        seconds = context.get_remaining_time_in_millis() / 1000 - _SECONDS_TO_ANSWER
        try:
            done = prune(self._resources.database, seconds)
        except SQLAlchemyError as error:
            _logger.error("not pruned: %s", fault_of(error), extra={"action": "prune_failed"})
            raise
        with recording(for_cloudwatch=self._resources.settings.metrics) as metrics:
            metrics.add(ROTATIONS, 1, label=done.rotation)
            metrics.add(TOMBSTONES_DELETED, done.tombstones)
            metrics.add(PRUNE_DURATION, done.seconds)
        if done.rotation == POSTPONED:
            _logger.warning("the ledger was in use: rotation postponed", extra={"action": "rotation_postponed"})
        _logger.info("pruned", extra={"action": "pruned", **asdict(done)})
        return asdict(done)
