"""A function that answers with the outcome of a write: SQLAlchemy and psycopg, boto3 for a key, Pydantic."""

import base64
import os
from datetime import datetime
from typing import Any
from uuid import UUID

import boto3
from pydantic import BaseModel
from sqlalchemy import Column, DateTime, MetaData, Table, Text, Uuid, create_engine, select

ledger = Table(
    "ledger",
    MetaData(schema="penstock"),
    Column("id", Uuid, primary_key=True),
    Column("outcome", Text),
    Column("settled_at", DateTime(timezone=True)),
)


class Outcome(BaseModel):
    """The outcome of a write."""

    id: UUID
    status: str
    settled_at: datetime | None


secrets = boto3.client("secretsmanager")
engine = create_engine(os.environ["PENSTOCK_DATABASE_URL"].replace("://", "+psycopg://", 1), pool_size=1)


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Read the entry of the ledger that has the id in a receipt."""
    id_ = UUID(bytes=base64.urlsafe_b64decode(event["pathParameters"]["receipt"] + "==")[1:17])
    with engine.begin() as connection:
        row = connection.execute(select(ledger).where(ledger.c.id == id_)).one_or_none()
    outcome = Outcome(id=id_, status=row.outcome if row else "pending", settled_at=row.settled_at if row else None)
    return {"statusCode": 200, "body": outcome.model_dump_json()}
