"""The database: the bounded engine, the ledger, migrations."""

from penstock.database.engine import drain_engine, make_engine, reader_engine, writer_engine
from penstock.database.ledger import ledger

__all__ = ["drain_engine", "ledger", "make_engine", "reader_engine", "writer_engine"]
