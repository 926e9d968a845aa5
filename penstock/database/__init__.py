"""The database: the bounded engine, the ledger, migrations."""

from penstock.database.engine import make_engine, reader_engine, writer_engine
from penstock.database.ledger import ledger

__all__ = ["ledger", "make_engine", "reader_engine", "writer_engine"]
