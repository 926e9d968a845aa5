"""Which parts of the framework an artifact needs."""

from collections.abc import Collection
from typing import Final

DISTRIBUTION: Final = "penstock-postgres"
PACKAGE: Final = "penstock"

_PRODUCER: Final = frozenset({"encryption", "expressions", "intents", "metrics", "producer", "queue"})
_CONSUMER: Final = frozenset({"consumer", "database", "deadletters", "functions"})
_ON_THE_CONSUMERS_SIDE: Final = frozenset({"consumer", "migrate"})
_MIGRATE: Final = (
    *("database/idle_timeouts.py", "database/migrate.py", "database/migrations/", "database/sql_migrations.py"),
    *("functions/migrate.py", "functions/migration.py", "consumer/schema_check/"),
)
"""What only the function `migrate` runs: Alembic, and the schema check, which compares migrations."""
_TOOLS: Final = frozenset({"locks.py"})


def needs(extras: Collection[str], name: str) -> bool:
    """Return whether an artifact with some extras of Penstock needs a file of the framework.

    What uses a database is only for the consumer's side. The tools of developers run in no function: a package
    that is not named here is in no artifact.

    Args:
        extras: the extras; `migrate` includes `consumer`, as in the distribution.
        name: the path of the file, beginning with `penstock/`.
    """
    inside = name.removeprefix(f"{PACKAGE}/")
    package, slash, _ = inside.partition("/")
    if not slash:
        return inside not in _TOOLS
    if inside.startswith(_MIGRATE):
        return "migrate" in extras
    return package in _PRODUCER or (package in _CONSUMER and not _ON_THE_CONSUMERS_SIDE.isdisjoint(extras))
