"""The messages of a queue: what is sent, what is received, and their size limits."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

MESSAGE_LIMIT_BYTES = 1_048_576
"""The largest size of a message, and of all messages of one batch call, with attributes (SQS quotas: 1 MiB)."""

BATCH_LIMIT = 10
"""The most entries of one batch call (SQS quotas)."""

ATTRIBUTE_LIMIT = 10
"""The most attributes of one message (SQS: message metadata)."""

DELAY_ATTRIBUTE = "penstock.delay"
"""The message attribute of a message that was sent with a delay: its seconds, for the measuring of lag alone."""

GROUP_PATTERN = "[!-~]{1,128}"
"""The message groups that SQS accepts: ASCII letters, digits and punctuation (SQS: MessageGroupId)."""


class Attribute(NamedTuple):
    """A message attribute of SQS.

    Attributes:
        value: text, or bytes if the type begins with `Binary`.
        type: `String`, `Number` or `Binary`; the sender may add a label, such as `Number.float`.
    """

    value: str | bytes
    type: str = "String"

    @property
    def size(self) -> int:
        """The size of value and type in bytes."""
        value = self.value if isinstance(self.value, bytes) else self.value.encode()
        return len(value) + len(self.type.encode())


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to send.

    Attributes:
        body: the text; SQS refuses most control characters, U+FFFE and U+FFFF.
        attributes: by name, at most ten.
        group: the message group: an ordering key on a FIFO queue, a tenant on a standard one.
        deduplication_id: for FIFO queues.
        trace: the X-Ray trace header of the sender; it does not count towards the size.
        delay_seconds: for how long the queue hides it from all receivers at first; a FIFO queue accepts 0 alone.
    """

    body: str
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    group: str | None = None
    deduplication_id: str | None = None
    trace: str | None = None
    delay_seconds: int = 0

    @property
    def size(self) -> int:
        """The bytes that count towards the limit of SQS: body, attribute names, types and values, in UTF-8."""
        attributes = sum(len(name.encode()) + value.size for name, value in self.attributes.items())
        return len(self.body.encode(errors="surrogatepass")) + attributes


@dataclass(frozen=True, slots=True)
class Received:
    """A leased message. It becomes visible again after its visibility timeout, unless it is deleted.

    Attributes:
        message_id: the id that SQS gave to the message; a message that is sent again gets a new one.
        receipt_handle: identifies the lease, for deleting the message or changing its visibility.
        body: the text.
        attributes: by name.
        receive_count: how often it has been received, including this time.
        first_received_at: when it was first received, in seconds since the epoch.
        sent_at: when SQS accepted it, in seconds since the epoch.
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
    """Return the message group of a key: the key itself, or its SHA-256 if SQS does not accept the key."""
    if re.fullmatch(GROUP_PATTERN, key):
        return key
    return hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()


def message_batches(
    messages: Iterable[tuple[int, Outgoing]], *, ordered: bool = False
) -> Iterator[list[tuple[int, Outgoing]]]:
    """Split numbered messages into batches for one call each: at most ten entries and 1 MiB.

    Args:
        messages: the messages with their numbers.
        ordered: whether a batch holds at most one message of each group. Entries of a call fail one by one, and a
            retry would put a message behind later messages of its group that were accepted.
    """
    batch: list[tuple[int, Outgoing]] = []
    size, groups = 0, set[str | None]()
    for numbered in messages:
        message, message_size = numbered[1], numbered[1].size
        full = len(batch) == BATCH_LIMIT or size + message_size > MESSAGE_LIMIT_BYTES
        if batch and (full or (ordered and message.group in groups)):
            yield batch
            batch, size, groups = [], 0, set()
        batch.append(numbered)
        size += message_size
        groups.add(message.group)
    if batch:
        yield batch
