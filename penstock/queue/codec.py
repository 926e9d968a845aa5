"""Convert messages, responses and errors to and from the form that SQS uses."""

from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from penstock.queue.interface import Refusal
from penstock.queue.message import Attribute, Outgoing, Received

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import (
        MessageAttributeValueOutputTypeDef,
        MessageAttributeValueTypeDef,
        MessageTypeDef,
        SendMessageBatchRequestEntryTypeDef,
    )

INVALID_BODY = Refusal("InvalidMessageContents", retryable=False)
"""The refusal that SQS gives for a body that it does not accept."""

_SERVER_ERROR = 500


def to_entry(index: int, message: Outgoing) -> "SendMessageBatchRequestEntryTypeDef":
    """Convert a message to an entry of a batch call; its position is the entry's id."""
    entry: SendMessageBatchRequestEntryTypeDef = {"Id": str(index), "MessageBody": message.body}
    if message.attributes:
        entry["MessageAttributes"] = {name: _to_sqs(value) for name, value in message.attributes.items()}
    if message.group is not None:
        entry["MessageGroupId"] = message.group
    if message.deduplication_id is not None:
        entry["MessageDeduplicationId"] = message.deduplication_id
    if message.delay_seconds:
        entry["DelaySeconds"] = message.delay_seconds
    if message.trace is not None:
        entry["MessageSystemAttributes"] = {"AWSTraceHeader": {"DataType": "String", "StringValue": message.trace}}
    return entry


def is_utf8(body: str) -> bool:
    """Return whether a body can be encoded in UTF-8. A lone surrogate cannot, and would fail the whole call."""
    try:
        body.encode()
    except UnicodeEncodeError:
        return False
    return True


def from_message(message: "MessageTypeDef") -> Received:
    """Convert a message that SQS returned from a receive call."""
    system = message.get("Attributes", {})
    return Received(
        message_id=message["MessageId"],
        receipt_handle=message["ReceiptHandle"],
        body=message["Body"],
        attributes={name: _from_sqs(value) for name, value in message.get("MessageAttributes", {}).items()},
        receive_count=int(system.get("ApproximateReceiveCount", 1)),
        first_received_at=int(system.get("ApproximateFirstReceiveTimestamp", 0)) / 1000,
        sent_at=int(system.get("SentTimestamp", 0)) / 1000,
        group=system.get("MessageGroupId"),
    )


def failed_entries(response: Any) -> dict[int, Refusal]:
    """Return the failed entries of a batch call, by position. Entries can fail although the call returns 200."""
    failed = response.get("Failed", [])
    return {int(entry["Id"]): Refusal(entry["Code"], retryable=not entry["SenderFault"]) for entry in failed}


def refusal_of(error: ClientError | BotoCoreError) -> Refusal:
    """Return why a whole call failed: the error code of AWS, or the class name of a botocore error."""
    if not isinstance(error, ClientError):
        # botocore has already retried. A network problem lasts longer than the deadline of one request.
        return Refusal(type(error).__name__, retryable=False)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    code = error.response.get("Error", {}).get("Code", "Unknown")
    return Refusal(code, retryable=status >= _SERVER_ERROR or "Throttl" in code)


def _to_sqs(attribute: Attribute) -> "MessageAttributeValueTypeDef":
    if isinstance(attribute.value, bytes):
        return {"DataType": attribute.type, "BinaryValue": attribute.value}
    return {"DataType": attribute.type, "StringValue": attribute.value}


def _from_sqs(value: "MessageAttributeValueOutputTypeDef") -> Attribute:
    return Attribute(value["BinaryValue"] if "BinaryValue" in value else value["StringValue"], value["DataType"])
