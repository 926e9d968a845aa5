"""A function that counts dead letters: boto3, and Pydantic for each message."""

import os
from collections import Counter
from typing import Any

import boto3
from pydantic import BaseModel


class Envelope(BaseModel):
    """A message of the queue."""

    id: str
    type: str
    data: dict[str, Any]


sqs = boto3.client("sqs")


def handler(_event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Receive all messages, count them by kind, and give them back."""
    url = os.environ["PENSTOCK_DEAD_LETTER_QUEUE_URL"]
    kinds: Counter[str] = Counter()
    handles: list[str] = []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages"):
        kinds.update(Envelope.model_validate_json(message["Body"]).type for message in messages)
        handles += [message["ReceiptHandle"] for message in messages]
    for start in range(0, len(handles), 10):
        entries: Any = [
            {"Id": str(n), "ReceiptHandle": handle, "VisibilityTimeout": 0}
            for n, handle in enumerate(handles[start : start + 10])
        ]
        sqs.change_message_visibility_batch(QueueUrl=url, Entries=entries)
    return {"groups": dict(kinds), "looked_at": len(handles)}
