"""A producer: boto3, and Pydantic for the body of a request."""

import json
import os
import uuid
from datetime import UTC, datetime
from typing import Annotated, Any

import boto3
from pydantic import BaseModel, Field


class StockAdjusted(BaseModel):
    """The quantity in stock changed."""

    sku: Annotated[str, Field(min_length=1, max_length=64)]
    delta: int


sqs = boto3.client("sqs")


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Validate a request, send it to the queue, and answer 202."""
    intent = StockAdjusted.model_validate(json.loads(event["body"]) | event["pathParameters"])
    now = datetime.now(UTC).isoformat()
    envelope = {"id": str(uuid.uuid4()), "type": "stock.adjusted", "time": now, "data": intent.model_dump()}
    sqs.send_message(QueueUrl=os.environ["PENSTOCK_QUEUE_URL"], MessageBody=json.dumps(envelope))
    return {"statusCode": 202, "body": json.dumps({"status": "pending"})}
