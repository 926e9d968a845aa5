"""Which parts of the framework an artifact needs."""

from collections.abc import Collection
from typing import Final

DISTRIBUTION: Final = "penstock-postgres"
PACKAGE: Final = "penstock"

_NEVER: Final = tuple(
    f"{PACKAGE}/{part}"
    for part in (
        "artifacts/",
        "audit/",
        "cli/",
        "infra/",
        "local/",
        "locks.py",
        "project/",
        "scaffold/",
        "testing/",
    )
)
_CONSUMER: Final = tuple(f"{PACKAGE}/{part}/" for part in ("consumer", "database", "deadletters", "functions"))
_MIGRATE: Final = tuple(
    f"{PACKAGE}/{part}"
    for part in (
        "consumer/schema_check/",
        *("database/migrate.py", "database/migrations/", "database/sql_migrations.py"),
        *("functions/migrate.py", "functions/migration.py"),
    )
)


def needs(extras: Collection[str], name: str) -> bool:
    """Return whether an artifact with some extras of Penstock needs a file of the framework.

    The tools of developers run in no function. What uses a database is only for the consumer's side, and what uses
    Alembic only for migrations. The schema check compares migrations, and only `migrate` runs it.

    Args:
        extras: the extras; `migrate` includes `consumer`, as in the distribution.
        name: the path of the file, beginning with `penstock/`.
    """
    if name.startswith(_NEVER):
        return False
    if name.startswith(_MIGRATE):
        return "migrate" in extras
    return bool(extras) or not name.startswith(_CONSUMER)
