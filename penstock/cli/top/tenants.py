"""What is known of the tenants of a queue without receiving a message.

A tenant is the message group of a standard queue. SQS counts the groups that are noisy, and how much of the queue
belongs to the others (SQS Developer Guide: CloudWatch metrics for fair queues). It does not name them, and neither
does the ledger: only a message carries its group.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from penstock.cli.operate.letters import Letter
from penstock.cli.support.output import escape_control, format_duration
from penstock.queue.age import newest_value

_NOISY: Final = "ApproximateNumberOfNoisyGroups"
_QUIET_WAITING: Final = "ApproximateNumberOfMessagesVisibleInQuietGroups"
_QUIET_OLDEST: Final = "ApproximateAgeOfOldestMessageInQuietGroups"
_MOST_NAMED: Final = 4


@dataclass(frozen=True, slots=True)
class Tenants:
    """The tenants of a queue, in figures.

    Attributes:
        noisy: how many send so much that SQS lets the others go first; None if CloudWatch does not say.
        quiet_waiting: the messages of the others that wait; None if CloudWatch does not say.
        quiet_oldest_seconds: the age of the oldest of these; None if CloudWatch does not say.
        reason: why nothing is known; None if something is.
    """

    noisy: int | None = None
    quiet_waiting: int | None = None
    quiet_oldest_seconds: float | None = None
    reason: str | None = None

    def describe(self) -> str:
        """Return what is known, in one line."""
        if self.reason or self.noisy is None:
            return f"not known: {self.reason or 'CloudWatch has no figure of them'}"
        if not self.noisy:
            return "none is noisy (from CloudWatch)"
        others = "" if self.quiet_waiting is None else f"; about {self.quiet_waiting:,} of the others wait"
        age = (
            ""
            if self.quiet_oldest_seconds is None
            else f", the oldest {format_duration(self.quiet_oldest_seconds)}"
        )
        return f"about {self.noisy:,} noisy{others}{age} (from CloudWatch)"


def read_tenants(client: Any, queue_url: str, now: datetime) -> Tenants:
    """Read the newest figures of the tenants of a queue.

    Args:
        client: a CloudWatch client of boto3.
        queue_url: the queue's URL.
        now: the current time.

    Raises:
        botocore.exceptions.ClientError: CloudWatch returned an error.
        botocore.exceptions.BotoCoreError: CloudWatch cannot be reached.
    """
    if queue_url.endswith(".fifo"):
        return Tenants(reason="the groups of a FIFO queue are ordering keys")
    noisy = newest_value(client, queue_url, _NOISY, now)
    if not noisy:
        return Tenants(noisy=_whole(noisy))
    waiting, oldest = (newest_value(client, queue_url, name, now) for name in (_QUIET_WAITING, _QUIET_OLDEST))
    return Tenants(_whole(noisy), _whole(waiting), oldest)


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


def count_tenants(letters: Iterable[Letter], *, fifo: bool) -> str | None:
    """Return the noisiest tenants among dead letters, in one line; None if none of them has a tenant.

    Args:
        letters: the dead letters.
        fifo: whether they are on a FIFO queue, whose groups are ordering keys.
    """
    counts = Counter(letter.group for letter in letters)
    without = counts.pop(None, 0)
    if fifo or not counts:
        return None
    named = [f"{escape_control(tenant)} {count:,}" for tenant, count in counts.most_common(_MOST_NAMED)]
    more = [f"{len(counts) - _MOST_NAMED:,} more tenants"] if len(counts) > _MOST_NAMED else []
    return ", ".join([*named, *more, *([f"without a tenant {without:,}"] if without else [])])
