"""What goes onto a queue and what comes off it, and how large it is there."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

MESSAGE_LIMIT_BYTES = 1_048_576
"""Largest message, and largest sum of one batch call, attributes included (SQS quotas: 1 MiB)."""

BATCH_LIMIT = 10
"""Most entries of one batch call (SQS quotas)."""

ATTRIBUTE_LIMIT = 10
"""Most attributes of one message (SQS: message metadata)."""

GROUP_PATTERN = "[!-~]{1,128}"
"""What SQS takes as a message group: letters, digits and punctuation of ASCII (SQS: MessageGroupId)."""


class Attribute(NamedTuple):
    """A message attribute as SQS keeps it.

    Attributes:
        value: text, or bytes where the type begins with `Binary`.
        type: `String`, `Number` or `Binary`, perhaps with a label of the sender's: `Number.float`.
    """

    value: str | bytes
    type: str = "String"

    @property
    def size(self) -> int:
        """Bytes of value and type."""
        value = self.value if isinstance(self.value, bytes) else self.value.encode()
        return len(value) + len(self.type.encode())


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to send.

    Attributes:
        body: the text; SQS refuses most control characters, U+FFFE and U+FFFF.
        attributes: by name, ten at most.
        group: the message group: an ordering key on a FIFO queue, a tenant on a standard one.
        deduplication_id: for FIFO queues.
        trace: the X-Ray trace header that it was sent in; it does not count towards the size.
    """

    body: str
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    group: str | None = None
    deduplication_id: str | None = None
    trace: str | None = None

    @property
    def size(self) -> int:
        """Bytes that count towards SQS's limit: body, attribute names, types and values, in UTF-8."""
        attributes = sum(len(name.encode()) + value.size for name, value in self.attributes.items())
        return len(self.body.encode(errors="surrogatepass")) + attributes


@dataclass(frozen=True, slots=True)
class Received:
    """A message under lease: it comes back when its visibility timeout runs out, unless deleted.

    Attributes:
        message_id: SQS's id of this sending of the message.
        receipt_handle: the lease: what deletes it or changes its visibility.
        body: the text.
        attributes: by name.
        receive_count: how often it has been received, this time included.
        first_received_at: when it was received for the first time, in seconds since the epoch.
        sent_at: when SQS first took it, in seconds since the epoch.
        group: the message group, if it has one.
    """

    message_id: str
    receipt_handle: str
    body: str
    attributes: Mapping[str, Attribute]
    receive_count: int
    first_received_at: float
    sent_at: float
    group: str | None = None


def group_of(key: str) -> str:
    """Return the message group of a key: the key, or its SHA-256 where SQS takes no such text as a group."""
    if re.fullmatch(GROUP_PATTERN, key):
        return key
    return hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()


def chunks(
    messages: Iterable[tuple[int, Outgoing]], *, ordered: bool = False
) -> Iterator[list[tuple[int, Outgoing]]]:
    """Cut numbered messages into batches that one call can carry: ten entries and 1 MiB at most.

    Args:
        messages: with their numbers.
        ordered: whether a batch holds one message of each group only. The entries of a call fail one by one, and a
            message that is sent again would land behind those of its group that were not refused.
    """
    chunk: list[tuple[int, Outgoing]] = []
    size, groups = 0, set[str | None]()
    for numbered in messages:
        message, message_size = numbered[1], numbered[1].size
        full = len(chunk) == BATCH_LIMIT or size + message_size > MESSAGE_LIMIT_BYTES
        if chunk and (full or (ordered and message.group in groups)):
            yield chunk
            chunk, size, groups = [], 0, set()
        chunk.append(numbered)
        size += message_size
        groups.add(message.group)
    if chunk:
        yield chunk
