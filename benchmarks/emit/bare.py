"""A producer function without any framework, with which `make bench-emit` compares Penstock."""

import json
import os
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import boto3

sqs = boto3.client("sqs")


def envelope(kind: str, data: dict[str, Any]) -> str:
    """Serialize what a consumer needs to apply the write once."""
    now = datetime.now(UTC).isoformat()
    return json.dumps({"id": str(uuid.uuid4()), "type": kind, "time": now, "data": data})


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Send a request to the queue and answer 202."""
    data = json.loads(event["body"]) | event["pathParameters"]
    sqs.send_message(QueueUrl=os.environ["PENSTOCK_QUEUE_URL"], MessageBody=envelope("stock.adjusted", data))
    return {"statusCode": 202, "body": json.dumps({"status": "pending"})}


def send_all(url: str, bodies: Iterable[dict[str, Any]]) -> None:
    """Send 10 messages per call, one call after the other, as the examples of the AWS documentation do."""
    texts = [envelope("stock.adjusted", data) for data in bodies]
    for start in range(0, len(texts), 10):
        entries = [{"Id": str(n), "MessageBody": text} for n, text in enumerate(texts[start : start + 10])]
        answer = sqs.send_message_batch(QueueUrl=url, Entries=entries)  # type: ignore[arg-type]
        if answer.get("Failed"):
            raise RuntimeError("SQS did not accept all messages")
