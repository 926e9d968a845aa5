"""SQS events as Lambda hands them to a consumer, made of intents or of any texts."""

import base64
from collections.abc import Iterable
from typing import Any
from uuid import uuid4

from penstock.intents import WriteIntent, encode_envelope
from penstock.queue import Attribute, Received

SOURCE = "/test"


def sqs_event(messages: Iterable[WriteIntent | str | Received], *, receive_count: int = 1) -> dict[str, Any]:
    """Make the event of one invocation (AWS Lambda Developer Guide, "Using Lambda with Amazon SQS").

    Args:
        messages: what the records hold: intents, which are sealed; texts, which become bodies as they are; or
            messages that a queue has leased out.
        receive_count: how often the messages have been received; leased ones know by themselves.
    """
    return {"Records": [_record(message, receive_count) for message in messages]}


def received(body: str, *, receive_count: int = 1) -> Received:
    """Make a leased message with this body, as if it had been sent just now."""
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
        message = encode_envelope(message, id=message.intent_id, source=SOURCE)
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
