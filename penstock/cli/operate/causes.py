"""The causes of dead letters: which dead letters belong together, and one scan that counts them."""

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Final

from penstock.cli.operate.letters import Letter
from penstock.consumer.dead_letter import DeadLetter
from penstock.deadletters import DeadLetterMessage, Origin, Selector, scan
from penstock.queue import Queue, Received

OTHER: Final = "other"
"""The key of the messages of other programs."""
UNNAMED: Final = "unnamed"
"""The key of dead letters whose cause has no name that could select them: forged attributes, an endless kind."""
MAX_CAUSES: Final = 1_000
"""A sender may write any kind: the dead letters of further causes are only counted."""

_SQS = "sqs:"
_MAX_KIND = 200
_FINGERPRINT = re.compile("[0-9a-f]{8,64}")


@dataclass(slots=True)
class Cause:
    """Dead letters of one cause. It holds no value of an intent.

    Attributes:
        key: the name of the cause: its fingerprint; `sqs:` and the kind for messages that SQS moved; `OTHER`;
            `UNNAMED`. It is the same in each scan.
        origin: who put them on the dead-letter queue.
        kind: their kind, if they have one.
        fault: the class of the fault.
        reason: the stable name of the cause.
        detail: the cause in one line.
        sqlstate: the SQLSTATE, if Postgres reported the fault.
        count: how many there are.
        oldest: when SQS accepted the first of them, in seconds since the epoch.
        newest: when SQS accepted the last of them, in seconds since the epoch.
        expires_at: when the first of them expires, in seconds since the epoch.
    """

    key: str
    origin: Origin
    kind: str | None
    fault: str | None
    reason: str | None
    detail: str | None
    sqlstate: str | None
    count: int
    oldest: float
    newest: float
    expires_at: float


@dataclass(frozen=True, slots=True)
class Survey:
    """What one scan of the dead-letter queue found.

    Attributes:
        causes: the causes, the largest first; `MAX_CAUSES` at most.
        letters: the first dead letters of each cause, by its key: as many as were asked for.
        others: how many dead letters have none of these causes.
        seen: how many messages were read.
        unseen: about how many could not be read, because another run has leased them.
    """

    causes: Sequence[Cause]
    letters: Mapping[str, Sequence[Letter]]
    others: int
    seen: int
    unseen: int

    def cause(self, key: str) -> Cause | None:
        """Return the cause of this key; None if no dead letter has it."""
        return next((cause for cause in self.causes if cause.key == key), None)


def survey(
    dead: Queue,
    retention_seconds: int,
    *,
    keep: int = 0,
    keep_characters: int = 16_000_000,
    on_page: Callable[[int], None] = lambda _: None,
) -> Survey:
    """Count the dead letters by cause in one scan, under leases that are given back at its end.

    Args:
        dead: the dead-letter queue.
        retention_seconds: how long it keeps a message.
        keep: how many dead letters of each cause to keep in memory, with their bodies.
        keep_characters: how long the kept messages may be together, with their attributes.
        on_page: called for each page with its number of messages.

    Raises:
        penstock.queue.QueueError: the queue cannot be read.
    """
    expected = dead.depth().total
    causes: dict[str, Cause] = {}
    letters: dict[str, list[Letter]] = {}
    others = 0
    room = keep_characters
    with closing(scan(dead, on_page=on_page)) as found:
        for one in found:
            key = key_of(one)
            if key not in causes and len(causes) == MAX_CAUSES:
                others += 1
                continue
            _count(causes, key, one, retention_seconds)
            size = _size(one.message)
            if len(letters.get(key, ())) < keep and size <= room:
                letters.setdefault(key, []).append(Letter.of(one, retention_seconds))
                room -= size
    ordered = sorted(causes.values(), key=lambda cause: (-cause.count, cause.oldest))
    seen = sum(cause.count for cause in ordered) + others
    return Survey(ordered, letters, others, seen, max(0, expected - seen))


def letters_of(dead: Queue, retention_seconds: int, key: str, limit: int) -> list[Letter]:
    """Return dead letters of one cause, `limit` at most, from a scan that ends with the last of them.

    Raises:
        penstock.queue.QueueError: the queue cannot be read.
    """
    letters: list[Letter] = []
    with closing(scan(dead, selector_of(key))) as found:
        for one in found:
            if len(letters) == limit:
                break
            if key_of(one) == key:
                letters.append(Letter.of(one, retention_seconds))
    return letters


def key_of(found: DeadLetterMessage) -> str:
    """Return the key of a dead letter's cause."""
    return _key(found.letter, found.origin, found.kind)


def key_of_letter(letter: Letter) -> str:
    """Return the key of the cause of a letter that was read."""
    return _key(letter.stamp, letter.origin, letter.kind)


def selector_of(key: str) -> Selector | None:
    """Return what selects the dead letters of a cause; None if nothing does."""
    if key == OTHER:
        return Selector.of(faults=[Origin.OTHER])
    kind = key.removeprefix(_SQS)
    if kind and kind != key:
        return Selector.of(faults=[Origin.SQS], kinds=[kind])
    return Selector.of(fingerprints=[key]) if _FINGERPRINT.fullmatch(key) else None


def words_of(key: str) -> list[str]:
    """Return the options that select the dead letters of a cause on the command line; none if nothing does."""
    if key == OTHER:
        return ["--fault", str(Origin.OTHER)]
    kind = key.removeprefix(_SQS)
    if kind and kind != key:
        return ["--fault", str(Origin.SQS), "--kind", kind]
    return ["--fingerprint", key] if _FINGERPRINT.fullmatch(key) else []


def _key(stamp: DeadLetter | None, origin: Origin, kind: str | None) -> str:
    if stamp is not None:
        fingerprint = stamp.fingerprint or ""
        return fingerprint if _FINGERPRINT.fullmatch(fingerprint) else UNNAMED
    if origin == Origin.OTHER:
        return OTHER
    return f"{_SQS}{kind}" if kind and len(kind) <= _MAX_KIND else UNNAMED


def _size(message: Received) -> int:
    return len(message.body) + sum(len(attribute.value) for attribute in message.attributes.values())


def _count(causes: dict[str, Cause], key: str, found: DeadLetterMessage, retention_seconds: int) -> None:
    sent_at = found.message.sent_at
    cause = causes.get(key)
    if cause is None:
        causes[key] = _first(key, found, retention_seconds)
        return
    cause.count += 1
    cause.oldest, cause.newest = min(cause.oldest, sent_at), max(cause.newest, sent_at)
    cause.expires_at = cause.oldest + retention_seconds


def _first(key: str, found: DeadLetterMessage, retention_seconds: int) -> Cause:
    letter, sent_at = found.letter, found.message.sent_at
    names = (letter.fault, letter.reason, letter.detail, letter.sqlstate) if letter else (None,) * 4
    fault, reason, detail, sqlstate = (name and name[:_MAX_KIND] for name in names)
    return Cause(
        key=key,
        origin=found.origin,
        kind=found.kind and found.kind[:_MAX_KIND],
        fault=fault,
        reason=reason,
        detail=detail,
        sqlstate=sqlstate,
        count=1,
        oldest=sent_at,
        newest=sent_at,
        expires_at=sent_at + retention_seconds,
    )
