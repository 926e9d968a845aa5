"""Migrations of the framework, up or down to any revision."""

from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from penstock.database import make_engine, migrate


def migrate_to(url: str, revision: str, *, down: bool = False) -> None:
    """Bring the framework's tables to a revision."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
    script = ScriptDirectory.from_config(config)

    def steps(current: Any, _context: Any) -> Any:
        return script._downgrade_revs(revision, current) if down else script._upgrade_revs(revision, current)

    engine = make_engine(url)
    try:
        with engine.begin() as connection, EnvironmentContext(config, script, fn=steps) as environment:
            connection.execute(text("CREATE SCHEMA IF NOT EXISTS penstock"))
            environment.configure(
                connection=connection, version_table_schema="penstock", version_table="alembic_version"
            )
            environment.run_migrations()
    finally:
        engine.dispose()
