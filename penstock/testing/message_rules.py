"""The rules by which SQS refuses a message or a parameter."""

import re

from penstock.queue import ATTRIBUTE_LIMIT, GROUP_PATTERN, MESSAGE_LIMIT_BYTES, Outgoing

_LONGEST_DELAY_SECONDS = 900
_INVALID_CHARACTERS = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def refusal_code(message: Outgoing, *, fifo: bool) -> str | None:
    """Return the code with which a queue of this type refuses a message; None if it accepts the message."""
    return _content_code(message) or _group_code(message, fifo=fifo) or _delay_code(message, fifo=fifo)


def _content_code(message: Outgoing) -> str | None:
    texts = [message.body, *(v.value for v in message.attributes.values() if isinstance(v.value, str))]
    if not all(value.value for value in message.attributes.values()):
        return "InvalidParameterValue"
    if not message.body:
        return "MissingParameter"
    if any(_INVALID_CHARACTERS.search(text) for text in texts):
        return "InvalidMessageContents"
    if message.size > MESSAGE_LIMIT_BYTES:
        return "AWS.SimpleQueueService.BatchRequestTooLong"
    if len(message.attributes) > ATTRIBUTE_LIMIT:
        return "InvalidParameterValue"
    return None


def _group_code(message: Outgoing, *, fifo: bool) -> str | None:
    if fifo and message.group is None:
        return "MissingParameter"
    if message.group is not None and not re.fullmatch(GROUP_PATTERN, message.group):
        return "InvalidParameterValue"
    return "InvalidParameterValue" if fifo and message.deduplication_id is None else None


def _delay_code(message: Outgoing, *, fifo: bool) -> str | None:
    return (
        None if 0 <= message.delay_seconds <= (0 if fifo else _LONGEST_DELAY_SECONDS) else "InvalidParameterValue"
    )


def require_in_range(name: str, value: int, least: int, most: int) -> None:
    """Check a number.

    Raises:
        ValueError: the number is not from `least` to `most`.
    """
    if not least <= value <= most:
        raise ValueError(f"{name} must be {least} to {most}, not {value}")
