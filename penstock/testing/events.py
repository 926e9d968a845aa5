"""SQS events as Lambda passes them to a consumer, made from intents or from any strings."""

import base64
from collections.abc import Iterable
from typing import Any
from uuid import uuid4

from penstock.intents import WriteIntent, encode_envelope
from penstock.queue import Attribute, Received
from penstock.testing.keys import seal

SOURCE = "/test"


def sqs_event(messages: Iterable[WriteIntent | str | Received], *, receive_count: int = 1) -> dict[str, Any]:
    """Make the event of one invocation (AWS Lambda Developer Guide, "Using Lambda with Amazon SQS").

    Args:
        messages: one for each record: an intent, which is encoded as an envelope; a string, which becomes the
            body; or a message received from a queue.
        receive_count: the receive count of the records; a message from a queue has its own.
    """
    return {"Records": [_record(message, receive_count) for message in messages]}


def received(body: str, *, receive_count: int = 1) -> Received:
    """Make a leased message with this body. Its times are constant: 2027-01-15T08:00:00Z."""
    return Received(
        message_id=str(uuid4()),
        receipt_handle=str(uuid4()),
        body=body,
        attributes={},
        receive_count=receive_count,
        first_received_at=1_800_000_000.0,
        sent_at=1_800_000_000.0,
    )


def _record(message: WriteIntent | str | Received, receive_count: int) -> dict[str, Any]:
    if isinstance(message, WriteIntent):
        message = encode_envelope(message, id=message.intent_id, source=SOURCE, seal=seal)
    if isinstance(message, str):
        message = received(message, receive_count=receive_count)
    group = {"MessageGroupId": message.group} if message.group is not None else {}
    return {
        "messageId": message.message_id,
        "receiptHandle": message.receipt_handle,
        "body": message.body,
        "attributes": {
            "ApproximateReceiveCount": str(message.receive_count),
            "SentTimestamp": str(int(message.sent_at * 1000)),
            "ApproximateFirstReceiveTimestamp": str(int(message.first_received_at * 1000)),
            **group,
        },
        "messageAttributes": {name: _attribute(value) for name, value in message.attributes.items()},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-central-1:000000000000:test",
        "awsRegion": "eu-central-1",
    }


def _attribute(attribute: Attribute) -> dict[str, Any]:
    if isinstance(attribute.value, bytes):
        return {"binaryValue": base64.b64encode(attribute.value).decode(), "dataType": attribute.type}
    return {"stringValue": attribute.value, "dataType": attribute.type}
