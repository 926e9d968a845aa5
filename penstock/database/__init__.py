"""The database: the bounded engine, the managed engine, the ledger, migrations."""

from typing import TYPE_CHECKING, Final

from penstock.database.engine import drain_engine, make_engine, reader_engine, writer_engine
from penstock.database.ledger import ledger
from penstock.exports import exports_of

if TYPE_CHECKING:
    from penstock.database.managed.cleaning import Cleaning
    from penstock.database.managed.engine import ManagedEngine, managed_engine
    from penstock.database.managed.events import Closed, Hooks, Stats

__all__ = [
    "Cleaning",
    "Closed",
    "Hooks",
    "ManagedEngine",
    "Stats",
    "drain_engine",
    "ledger",
    "make_engine",
    "managed_engine",
    "reader_engine",
    "writer_engine",
]

# Not for a drain, whose start is to stay short.
_MODULES: Final = {
    "Cleaning": "managed.cleaning",
    "Closed": "managed.events",
    "Hooks": "managed.events",
    "ManagedEngine": "managed.engine",
    "Stats": "managed.events",
    "managed_engine": "managed.engine",
}

__getattr__ = exports_of(__name__, _MODULES)
