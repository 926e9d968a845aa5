"""Migrations with Alembic: the framework's own tables, then the service's.

Each set runs in one transaction under an advisory lock, so that two deployments at once do not race.
"""

from pathlib import Path

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from penstock.database.engine import make_engine
from penstock.database.ledger import SCHEMA

_FRAMEWORK = Path(__file__).parent / "migrations"
REVISIONS = "alembic_version"
"""The table of the applied revisions, in either schema."""

_LOCK = 0x70656E73746F636B  # "penstock": the key of the advisory lock


def upgrade(database_url: str, service_migrations: Path | None = None) -> list[str]:
    """Apply every migration that is not applied yet.

    Args:
        database_url: a `postgresql://` URL with a role that may create tables.
        service_migrations: the folder of the service's Alembic migrations, which contains a folder `versions`;
            None if there is none.

    Returns:
        The applied revisions in order, such as `penstock 0001` or `service 0001`.

    Raises:
        penstock.settings.SettingsError: the URL is not a Postgres URL.
        sqlalchemy.exc.SQLAlchemyError: the database refused a statement; nothing of that set was applied.
    """
    engine = make_engine(database_url)
    applied: list[str] = []
    try:
        with engine.begin() as connection:
            connection.execute(text("SELECT pg_catalog.pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
            applied += [f"penstock {name}" for name in _run(connection, _FRAMEWORK, SCHEMA)]
        if service_migrations is not None:
            with engine.begin() as connection:
                connection.execute(text("SELECT pg_catalog.pg_advisory_xact_lock(:key)"), {"key": _LOCK})
                applied += [f"service {name}" for name in _run(connection, service_migrations, None)]
    finally:
        engine.dispose()
    return applied


def compare(connection: Connection) -> tuple[list[str], list[str]]:
    """Compare the database with the framework's own migrations. Nothing is changed.

    Returns:
        The revisions that are not applied yet, and the applied ones that this version does not know.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the table of revisions cannot be read.
    """
    _, script = _script(_FRAMEWORK)
    options = {"version_table_schema": SCHEMA, "version_table": REVISIONS}
    heads = MigrationContext.configure(connection, opts=options).get_current_heads()
    known = [step.revision for step in script.walk_revisions()]
    newer = [head for head in heads if head not in known]
    done = {step.revision for head in {*heads} - {*newer} for step in script.iterate_revisions(head, "base")}
    return [] if newer else [name for name in reversed(known) if name not in done], newer


def _run(connection: Connection, folder: Path, schema: str | None) -> list[str]:
    config, script = _script(folder)
    applied: list[str] = []

    def to_head(revision: object, _context: MigrationContext) -> list[object]:
        steps = script._upgrade_revs("heads", revision)  # type: ignore[arg-type]
        applied.extend(step.revision.revision for step in steps)
        return list(steps)

    with EnvironmentContext(config, script, fn=to_head) as environment:
        environment.configure(connection=connection, version_table_schema=schema, version_table=REVISIONS)
        environment.run_migrations()
    return applied


def _script(folder: Path) -> tuple[Config, ScriptDirectory]:
    config = Config()
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    return config, ScriptDirectory.from_config(config)
