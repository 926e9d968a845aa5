"""Intents of every write mode on a few keys, a queue that delivers them as SQS may, and the expected tables."""

import random
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable
from threading import Lock
from typing import Any
from uuid import UUID

from penstock import WriteIntent
from penstock.testing import sqs_event
from tests.support.consumers import Counted, Seen, Stepped, stepped
from tests.support.modes import (
    Adjusted,
    Changed,
    Mailed,
    Placed,
    Removed,
    at,
    changed,
    placed,
    removed,
)
from tests.support.packs import batch, pack, single

KEYS = 20
ROUND = 400
# After this many intents other keys are hot, so that later intents cannot repair an error in a key.
HOT_FOR = 3 * ROUND
LARGEST_BATCH = 150
LARGEST_PACK = 20
MOST_PACKS = 12
# How far versions are out of order, in seconds, at one intent per second.
DISORDER = 1000
TRIES = 20

Rows = Counter[tuple[Any, ...]]


class Source:
    """A queue like a standard queue of SQS: any order, some messages repeated, and failed ones delivered again.

    Attributes:
        intents: everything that was emitted.
        poisoned: the ids of those that cannot be written.
    """

    def __init__(self, chance: random.Random, *, poison: bool = False, packed: bool = False) -> None:
        """Make a queue.

        Args:
            chance: decides.
            poison: whether every round has one intent that cannot be written.
            packed: whether a message has several intents.
        """
        self.intents: list[WriteIntent] = []
        self.poisoned: set[UUID] = set()
        self._chance = chance
        self._poison = poison
        self._packed = packed
        self._batches: deque[list[Any]] = deque()
        self._given_back: Counter[str] = Counter()
        self._lock = Lock()

    def take(self, *, more: bool) -> list[Any]:
        """Return the next batch; if none is left, one of new intents if `more`, else an empty one."""
        with self._lock:
            if not self._batches and more:
                self._emit()
            return self._batches.popleft() if self._batches else []

    def give_back(self, records: list[Any]) -> None:
        """Deliver these records again later."""
        with self._lock:
            self._given_back.update(record["messageId"] for record in records)
            assert all(self._given_back[record["messageId"]] < TRIES for record in records)
            if records:
                self._batches.append(records)

    def _emit(self) -> None:
        chance = self._chance
        # Deletions lock their table. Some rounds lack some kinds, so that the other kinds run concurrently.
        kinds = chance.sample(KINDS, chance.randint(1, len(KINDS)))
        start = len(self.intents)
        new = [chance.choice(kinds)(chance, start + number) for number in range(ROUND)]
        if self._poison:
            poison = Adjusted(sku="0", delta=2**40)
            self.poisoned.add(poison.intent_id)
            new.append(poison)
        late = chance.sample(self.intents, min(len(self.intents), ROUND // 20))
        delivered = [*new, *late, *(i for i in new for _ in range(chance.randint(0, 2)))]
        records = sqs_event(_packed(chance, delivered) if self._packed else delivered)["Records"]
        chance.shuffle(records)
        self.intents += new
        while records:
            size = chance.randint(1, MOST_PACKS if self._packed else LARGEST_BATCH)
            self._batches.append(records[:size])
            records = records[size:]


def _packed(chance: random.Random, intents: list[WriteIntent]) -> list[str]:
    """Put the intents of each kind in packs, and in batches as other senders write them."""
    by_kind: defaultdict[type, list[WriteIntent]] = defaultdict(list)
    for intent in intents:
        by_kind[type(intent)].append(intent)
    bodies = []
    for of_kind in by_kind.values():
        while of_kind:
            size = chance.randint(1, LARGEST_PACK)
            some, of_kind[:size] = of_kind[:size], []
            bodies.append(pack(some) if chance.random() < 0.7 else batch(map(single, some)))
    return bodies


def _moment(chance: random.Random, now: int) -> int:
    return now - chance.randrange(DISORDER)


def _key(chance: random.Random, now: int) -> int:
    return now // HOT_FOR * KEYS + chance.randrange(KEYS)


# Equal versions have equal values, so the expected rows do not depend on how ties are broken.
def _placed(chance: random.Random, now: int) -> WriteIntent:
    moment = _moment(chance, now)
    return placed(moment, f"c{moment}", _key(chance, now), note=f"n{moment}" if moment % 2 else None)


def _changed(chance: random.Random, now: int) -> WriteIntent:
    moment = _moment(chance, now)
    return changed(moment, f"s{moment}", _key(chance, now))


def _stepped(chance: random.Random, now: int) -> WriteIntent:
    moment = _moment(chance, now)
    return stepped(moment, f"s{moment}", _key(chance, now), chance.randint(-2, 2))


def _removed(chance: random.Random, now: int) -> WriteIntent:
    return removed(_moment(chance, now), _key(chance, now))


def _adjusted(chance: random.Random, now: int) -> WriteIntent:
    return Adjusted(sku=f"{_key(chance, now)}", delta=chance.randint(-5, 5), worth=chance.randint(-5, 5))


def _counted(chance: random.Random, now: int) -> WriteIntent:
    return Counted(name=f"{_key(chance, now)}")


def _mailed(chance: random.Random, now: int) -> WriteIntent:
    return Mailed(what=f"{_key(chance, now)}")


def _seen(chance: random.Random, now: int) -> WriteIntent:
    return Seen(path=f"{_key(chance, now)}")


KINDS: list[Callable[[random.Random, int], WriteIntent]] = [
    _placed,
    _changed,
    _stepped,
    _removed,
    _adjusted,
    _counted,
    _mailed,
    _seen,
]


def expected(intents: Iterable[WriteIntent]) -> dict[str, Rows]:
    """Return the rows that must be in the tables when each intent has taken effect once."""
    by_kind: dict[type, list[Any]] = {}
    for intent in intents:
        by_kind.setdefault(type(intent), []).append(intent)
    quantity: Counter[str] = Counter()
    value: Counter[str] = Counter()
    for intent in by_kind.get(Adjusted, []):
        quantity[intent.sku] += intent.delta
        value[intent.sku] += intent.worth
    changes: Counter[str] = Counter()
    for intent in by_kind.get(Stepped, []):
        changes[intent.status] += intent.changes
    tally = Counter(intent.name for intent in by_kind.get(Counted, []))
    return {
        "Our Orders": _orders(by_kind),
        "Our Stock": Counter((sku, quantity[sku], value[sku]) for sku in quantity),
        "our_steps": Counter((i.intent_id, i.number, i.status) for i in by_kind.get(Stepped, [])),
        "our_totals": Counter((status, changes[status]) for status in changes),
        "our_tallies": Counter(tally.items()),
        "our_outbox": Counter((intent.intent_id, intent.what) for intent in by_kind.get(Mailed, [])),
        "Our Views": Counter((intent.intent_id, intent.path) for intent in by_kind.get(Seen, [])),
    }


def _orders(by_kind: dict[type, list[Any]]) -> Rows:
    placings = _newest(by_kind.get(Placed, []), "at")
    changes = _newest([*by_kind.get(Changed, []), *by_kind.get(Stepped, [])], "changed_at")
    removals = _newest(by_kind.get(Removed, []), "at")
    rows: Rows = Counter()
    for number in placings.keys() | changes.keys():
        gone = removals[number].at if number in removals else at(-DISORDER)
        order, change = placings.get(number), changes.get(number)
        ordered = (order.customer, order.note, order.at) if order and order.at > gone else (None, None, None)
        status = (change.status, change.changed_at) if change and change.changed_at > gone else (None, None)
        if any((*ordered, *status)):
            rows["eu", number, *ordered, *status] += 1
    return rows


def _newest(intents: list[Any], version: str) -> dict[int, Any]:
    return {intent.number: intent for intent in sorted(intents, key=lambda intent: getattr(intent, version))}
