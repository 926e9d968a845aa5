"""The words of requests to the function `migrate` and of its answers."""

from typing import Final

UPGRADE: Final = "upgrade"
CHECK: Final = "check"
LEDGER: Final = "ledger"
HOLDS: Final = "holds"
TIMEOUTS: Final = "idle-timeouts"

SETTINGS: Final = "settings"
MIGRATIONS: Final = "migrations"
OTHER: Final = "other"
