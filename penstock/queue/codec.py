"""Messages, answers and errors in the forms that SQS gives them."""

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

NO_TEXT = Refusal("InvalidMessageContents", retryable=False)
"""What SQS says of a body that it does not take."""

_SERVER_ERROR = 500


def entry_of(index: int, message: Outgoing) -> "SendMessageBatchRequestEntryTypeDef":
    """Write a message as an entry of a batch, under its position."""
    entry: SendMessageBatchRequestEntryTypeDef = {"Id": str(index), "MessageBody": message.body}
    if message.attributes:
        entry["MessageAttributes"] = {name: _to_sqs(value) for name, value in message.attributes.items()}
    if message.group is not None:
        entry["MessageGroupId"] = message.group
    if message.deduplication_id is not None:
        entry["MessageDeduplicationId"] = message.deduplication_id
    if message.trace is not None:
        entry["MessageSystemAttributes"] = {"AWSTraceHeader": {"DataType": "String", "StringValue": message.trace}}
    return entry


def is_text(body: str) -> bool:
    """Tell whether a body can be written in UTF-8: a lone surrogate cannot, and would take its chunk along."""
    try:
        body.encode()
    except UnicodeEncodeError:
        return False
    return True


def received(message: "MessageTypeDef") -> Received:
    """Read a message that was leased."""
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


def failures(answer: Any) -> dict[int, Refusal]:
    """Read the entries of a batch that failed although the call answered 200."""
    failed = answer.get("Failed", [])
    return {int(entry["Id"]): Refusal(entry["Code"], retryable=not entry["SenderFault"]) for entry in failed}


def refusal_of(error: ClientError | BotoCoreError) -> Refusal:
    """Say why a whole call failed: SQS's error code, or the name of botocore's error."""
    if not isinstance(error, ClientError):
        # botocore has already tried again; what is wrong between here and SQS outlasts our patience.
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
