"""The Lambda function `migrate`: migrations and the schema check, for a database that only functions can reach.

An event is one request, and the answer is JSON. Nothing but a person or a deployment invokes the function:

    {}                      migrations, then the check
    {"action": "upgrade"}   migrations: what `penstock db upgrade` does
    {"action": "check"}     what `penstock check` does
    {"action": "idle-timeouts"}
                            what `penstock db upgrade --idle-timeouts` does after the migrations
    {"action": "ledger"}    with `read`: what `penstock audit` reads of the ledger; see `ledger_reads.py`
    {"action": "holds"}     with `call`: what `penstock hold` and `penstock release` do; see `hold_requests.py`
"""

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from penstock.consumer.schema_check.check import TIMEOUT_SECONDS, check_schema
from penstock.database.engine import writer_engine
from penstock.database.idle_timeouts import set_idle_timeouts
from penstock.database.migrate import upgrade
from penstock.database.sql_migrations import MigrationFailed, MigrationRefused
from penstock.database.watchdog import Watchdog
from penstock.functions.hold_requests import parse_hold_request
from penstock.functions.ledger_reads import parse_read
from penstock.functions.requests import CHECK, HOLDS, LEDGER, MIGRATIONS, OTHER, SETTINGS, TIMEOUTS, UPGRADE
from penstock.functions.service import drain_target, load_drain, migrations_folder
from penstock.settings import Settings, SettingsError

_ACTIONS: Final = {
    None: (UPGRADE, CHECK),
    UPGRADE: (UPGRADE,),
    CHECK: (CHECK,),
    LEDGER: (LEDGER,),
    HOLDS: (HOLDS,),
    TIMEOUTS: (TIMEOUTS,),
}
_SECONDS_TO_ANSWER: Final = 5.0

_logger = logging.getLogger(__name__)


class Migration:
    """Migrates and checks the database of a service in a Lambda handler.

    The environment names the service's drain (`PENSTOCK_DRAIN`) and the folder of its migrations in the
    artifact (`PENSTOCK_MIGRATIONS`), which may be missing.
    """

    def __init__(self, *, settings: Settings | None = None) -> None:
        """Prepare; nothing is imported and no connection is made before the first invocation.

        Args:
            settings: used instead of the environment.
        """
        self._settings = settings

    def handler(self, event: Mapping[str, Any], context: Any) -> dict[str, Any]:
        """Execute the request in an event. It is safe to repeat, and safe when two run at once.

        Returns:
            `applied`, the applied revisions in order; `kinds`, the kinds that the drain writes; `findings`, what
            was found; `role` and `database` of the idle timeouts; or what was asked of the ledger or the holds.
            If it fails: `error`, a message, and `blame`: `settings` for a setting or the request, `migrations` if
            they and the database do not go together, else `other`. The statements of one set of Alembic, or of one
            file of SQL, are applied all or not at all.
        """
        try:
            answer: dict[str, Any] = {}
            for action in _actions(event):
                answer |= self._answer(action, event, context)
        except Exception as error:  # noqa: BLE001 (the caller gets each error as an answer)
            _logger.error("not done: %s", type(error).__name__, extra={"action": "migrate_failed"})
            return {"error": _describe(error), "blame": _blame(error)}
        _logger.info("done", extra={"action": "migrated", "applied": answer.get("applied")})
        return answer

    def _answer(self, action: str, event: Mapping[str, Any], context: Any) -> dict[str, Any]:
        if action == UPGRADE:
            return self._upgrade(context)
        if action == TIMEOUTS:
            return self._set_idle_timeouts()
        return self._check(context) if action == CHECK else self._ask(action, event, context)

    def _upgrade(self, context: Any) -> dict[str, Any]:
        url = self._read_settings().require("database_url").database_url
        folder = Path(os.environ.get("LAMBDA_TASK_ROOT", "."), migrations_folder())
        return {"applied": upgrade(url, folder if folder.is_dir() else None, _seconds_left(context))}

    def _set_idle_timeouts(self) -> dict[str, Any]:
        with self._engine() as engine:
            return asdict(set_idle_timeouts(Watchdog(engine)))

    def _check(self, context: Any) -> dict[str, Any]:
        drain = load_drain(drain_target())
        with self._engine() as engine:
            found = check_schema(engine, drain, seconds=min(TIMEOUT_SECONDS, _seconds_left(context)))
        return {"kinds": [bound.kind for bound in drain.bound()], "findings": [asdict(one) for one in found]}

    def _ask(self, action: str, event: Mapping[str, Any], context: Any) -> dict[str, Any]:
        """Answer a request about the ledger or the holds, in one transaction."""
        request = {name: value for name, value in event.items() if name != "action"}
        asked = parse_read(request) if action == LEDGER else parse_hold_request(request)
        with self._engine() as engine, Watchdog(engine).transaction(_seconds_left(context)) as connection:
            return asked.answer(connection)

    @contextmanager
    def _engine(self) -> Iterator[Engine]:
        engine = writer_engine(self._read_settings())
        try:
            yield engine
        finally:
            engine.dispose()

    def _read_settings(self) -> Settings:
        return self._settings or Settings.from_environment()


def _actions(event: Mapping[str, Any]) -> tuple[str, ...]:
    action = event.get("action")
    alone = event.keys() <= {"action"} or action in {LEDGER, HOLDS}
    if isinstance(action, str | None) and action in _ACTIONS and alone:
        return _ACTIONS[action]
    raise SettingsError(
        f"an event has no key but 'action', which is {UPGRADE!r}, {CHECK!r} or left out for both, or "
        f"{TIMEOUTS!r}; or the action is {LEDGER!r} or {HOLDS!r}, with what to do"
    )


def _seconds_left(context: Any) -> float:
    left: float = context.get_remaining_time_in_millis() / 1000
    return left - _SECONDS_TO_ANSWER


def _blame(error: Exception) -> str:
    if isinstance(error, SettingsError):
        return SETTINGS
    refused = isinstance(error, MigrationRefused) and not isinstance(error, MigrationFailed)
    return MIGRATIONS if refused else OTHER


def _describe(error: Exception) -> str:
    """Return the first line of an error. The lines after it can hold values of rows."""
    text = str(error.orig if isinstance(error, DBAPIError) else error).strip()
    first = text.splitlines()[0] if text else ""
    own = type(error).__module__.startswith("penstock.")
    return first if own and first else f"{type(error).__name__}: {first}".rstrip(": ")
