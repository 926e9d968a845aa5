"""Code of before on a newer schema: expanding changes nothing for it, and contracting too early loses nothing."""

from pathlib import Path

from sqlalchemy import Engine, select

from consumer.tables import stock
from consumer.writes import drain
from penstock.consumer.schema_check.check import check_schema
from penstock.consumer.schema_check.finding import Severity
from penstock.database.migrate import upgrade
from penstock.settings import Settings
from penstock.testing import LambdaContext, MemoryQueue, sqs_event
from shared.intents import StockAdjusted

EXPAND = """
ALTER TABLE stock ADD COLUMN shelf text, ADD COLUMN counted boolean NOT NULL DEFAULT false;
CREATE TABLE shelves (name text PRIMARY KEY);
CREATE INDEX stock_by_quantity ON stock (quantity);
"""
CONTRACT = "ALTER TABLE stock DROP COLUMN quantity"


def adjust(engine: Engine, dead_letters: MemoryQueue, number: int) -> bool:
    """Drain one adjustment with the code of before; return whether it was handed back."""
    using = drain.using(Settings(), engine=engine, queue=MemoryQueue(), dead_letters=dead_letters)
    event = sqs_event([StockAdjusted(sku=f"A{number}", delta=number)])
    return bool(using.handler(event, LambdaContext())["batchItemFailures"])


def faults(engine: Engine) -> list[str]:
    return [str(one.table) for one in check_schema(engine, drain) if one.severity is Severity.FAULT]


def test_expand_then_contract(engine: Engine, database_url: str, tmp_path: Path) -> None:
    """On the expanded schema the code of before writes and is checked; on the contracted one it hands all back."""
    dead_letters = MemoryQueue()
    (tmp_path / "0001_expand.sql").write_text(EXPAND)
    assert upgrade(database_url, tmp_path) == ["service 0001_expand"]
    assert not adjust(engine, dead_letters, 1)
    assert faults(engine) == []
    with engine.connect() as connection:
        assert connection.execute(select(stock.c.sku, stock.c.quantity)).all() == [("A1", 1)]
    (tmp_path / "0002_contract.sql").write_text(CONTRACT)
    upgrade(database_url, tmp_path)
    assert adjust(engine, dead_letters, 2)
    assert dead_letters.messages == []
    assert faults(engine) == ["public.stock"]
