"""A consumer: Pydantic for each message, SQLAlchemy and psycopg for the rows, boto3 for what is wrong."""

import os
from typing import Annotated, Any

import boto3
from pydantic import BaseModel, Field, ValidationError
from sqlalchemy import create_engine
from sqlalchemy.dialects.postgresql import insert

from consumer.tables import stock


class StockAdjusted(BaseModel):
    """The quantity in stock changed."""

    sku: Annotated[str, Field(min_length=1, max_length=64)]
    delta: int


class Envelope(BaseModel):
    """A message of the queue."""

    id: str
    type: str
    data: StockAdjusted


sqs = boto3.client("sqs")
engine = create_engine(os.environ["PENSTOCK_DATABASE_URL"].replace("://", "+psycopg://", 1), pool_size=1)


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Add up the quantities of a batch, in one transaction."""
    with engine.begin() as connection:
        for record in event["Records"]:
            try:
                data = Envelope.model_validate_json(record["body"]).data
            except ValidationError:
                sqs.send_message(QueueUrl=os.environ["PENSTOCK_DEAD_LETTER_QUEUE_URL"], MessageBody=record["body"])
                continue
            row = insert(stock).values(sku=data.sku, quantity=data.delta)
            sums = {"quantity": stock.c.quantity + row.excluded.quantity}
            connection.execute(row.on_conflict_do_update(index_elements=["sku"], set_=sums))
    return {"batchItemFailures": []}
