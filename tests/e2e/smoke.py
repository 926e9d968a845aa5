"""From an HTTP request to a row, with the installed distribution alone: run by other Pythons, with other versions.

Usage: python smoke.py. Ends with exit code 0 and a line of versions, or with a traceback.
"""

import json
import platform
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Integer, MetaData, Table, Text, select

from penstock import WriteIntent, accepted
from penstock.consumer import Drain, Increment
from penstock.database import make_engine
from penstock.database.migrate import upgrade
from penstock.local.postgres import Postgres
from penstock.producer import Producer, emitter
from penstock.producer.http.api import HttpApi
from penstock.settings import Settings
from penstock.testing import LambdaContext, MemoryQueue, sqs_event

METADATA = MetaData()
STOCK = Table(
    "stock", METADATA, Column("sku", Text, primary_key=True), Column("quantity", Integer, nullable=False)
)
NAMES = ("aws-lambda-powertools", "boto3", "pydantic", "sqlalchemy", "psycopg", "alembic", "typer", "rich")


class StockAdjusted(WriteIntent, kind="stock.adjusted"):
    """Some stock came or went."""

    sku: str
    delta: int


def main() -> None:
    """Emit through HTTP, drain what was emitted, and look at the table, the dead letters and the command line."""
    queue, dead_letters = MemoryQueue(), MemoryQueue()
    producer = Producer(Settings(receipt_key="key", source="/smoke"), queue)
    vars(emitter)["environment_producer"] = lambda: producer
    emit_over_http(queue)
    bodies = [message.body for message in queue.messages]
    with tempfile.TemporaryDirectory() as folder:
        server = Postgres(Path(folder))
        server.start()
        try:
            drain_twice(server.url(), [*bodies, "no envelope"], dead_letters)
        finally:
            server.stop()
    versions = " ".join(f"{name}={version(name)}" for name in NAMES)
    subprocess.run(
        [Path(sys.executable).with_name("penstock"), "dlq", "replay", "--help"], check=True, capture_output=True
    )
    sys.stdout.write(f"{platform.python_version()} {versions}\n")


def emit_over_http(queue: MemoryQueue) -> None:
    """Send good and bad requests; what is good is on the queue, what is bad is answered with a problem."""
    api = HttpApi()

    @api.post("/stock/<sku>")
    def adjust(sku: str) -> dict[str, Any]:
        return accepted(api.emit(api.intent(StockAdjusted, sku=sku)))

    answers = [
        request(api, "/stock/a", body) for body in ('{"delta": 2}', '{"delta": 3}', "no json", '{"delta": "x"}')
    ]
    answers.append(request(api, "/nowhere", "{}"))
    assert [answer["statusCode"] for answer in answers] == [202, 202, 400, 422, 404], answers
    types = [answer["headers"]["Content-Type"] for answer in answers[2:]]
    assert types == ["application/problem+json"] * 3, types
    assert len(queue.messages) == 2


def request(api: HttpApi, path: str, body: str) -> dict[str, Any]:
    """Call the function as an HTTP API does."""
    http = {"method": "POST", "path": path, "sourceIp": "127.0.0.1"}
    event = {
        "version": "2.0",
        "rawPath": path,
        "headers": {"content-type": "application/json"},
        "requestContext": {"http": http, "stage": "$default", "requestId": "smoke"},
        "body": body,
        "isBase64Encoded": False,
    }
    return api.resolve(event, LambdaContext())


def drain_twice(url: str, bodies: list[str], dead_letters: MemoryQueue) -> None:
    """Drain the same batch twice: each intent takes effect once, and what is no envelope is a dead letter."""
    upgrade(url)
    engine = make_engine(url)
    METADATA.create_all(engine)
    drain = Drain(Settings(), engine=engine, queue=MemoryQueue(), dead_letters=dead_letters)
    drain.write(StockAdjusted, Increment(STOCK, key="sku", add={"quantity": "delta"}))
    for _ in range(2):
        answer = drain.handler(sqs_event(bodies), LambdaContext())
        assert answer == {"batchItemFailures": []}, json.dumps(answer)
    with engine.connect() as connection:
        rows = [tuple(row) for row in connection.execute(select(STOCK))]
    engine.dispose()
    assert rows == [("a", 5)], rows
    assert len(dead_letters.messages) == 2


if __name__ == "__main__":
    main()
