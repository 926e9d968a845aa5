"""Migrations with Alembic: the framework's own tables, then the service's.

Both run in one transaction each, under an advisory lock, so that two deploys at once do not race.
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
_LOCK = 0x70656E73746F636B  # "penstock": the key of the advisory lock


def upgrade(database_url: str, service_migrations: Path | None = None) -> list[str]:
    """Bring the database up to date; what is there already is left as it is.

    Args:
        database_url: a `postgresql://` URL of a role that may create tables.
        service_migrations: the service's folder of Alembic revisions (with a folder `versions`), if it has one.

    Returns:
        What was applied, in order: `penstock 0001` or `service 0001`.

    Raises:
        penstock.settings.SettingsError: the URL is not one of Postgres.
        sqlalchemy.exc.SQLAlchemyError: the database refused; nothing of that set of migrations was applied.
    """
    engine = make_engine(database_url)
    applied: list[str] = []
    try:
        with engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
            applied += [f"penstock {name}" for name in _run(connection, _FRAMEWORK, SCHEMA)]
        if service_migrations is not None:
            with engine.begin() as connection:
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
                applied += [f"service {name}" for name in _run(connection, service_migrations, None)]
    finally:
        engine.dispose()
    return applied


def _run(connection: Connection, folder: Path, schema: str | None) -> list[str]:
    config = Config()
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    script = ScriptDirectory.from_config(config)
    applied: list[str] = []

    def to_head(revision: object, _context: MigrationContext) -> list[object]:
        steps = script._upgrade_revs("heads", revision)  # type: ignore[arg-type]
        applied.extend(step.revision.revision for step in steps)
        return list(steps)

    with EnvironmentContext(config, script, fn=to_head) as environment:
        environment.configure(connection=connection, version_table_schema=schema, version_table="alembic_version")
        environment.run_migrations()
    return applied
