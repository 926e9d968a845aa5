"""The ways in which a queue may deliver some intents, and the smallest of them that fails.

A delivery is a sequence of batches; a batch holds the positions of intents in a list.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, permutations
from math import factorial
from random import Random
from typing import Final

Batch = tuple[int, ...]
Delivery = tuple[Batch, ...]

ORDERS: Final = 120
"""The most orders that are tried: every order of up to five intents, and a sample of the orders of more."""


def plain(positions: Sequence[int]) -> Delivery:
    """Return the delivery that others are compared with: each intent once, in the given order, in one batch."""
    return (tuple(positions),)


def deliveries(count: int) -> Iterator[Delivery]:
    """Yield deliveries of `count` intents: every order, or a sample, each in two ways."""
    random = Random(0)  # noqa: S311 (the same sample in each run)
    for order in _orders(count, random):
        yield from ways(order, random)


def ways(order: Sequence[int], random: Random) -> Iterator[Delivery]:
    """Yield an order as one batch, and with each intent twice, cut into random batches."""
    yield (tuple(order),)
    yield _cut([*order, *random.sample(order, len(order))], random)


def _orders(count: int, random: Random) -> Iterator[Sequence[int]]:
    if factorial(count) <= ORDERS:
        yield from permutations(range(count))
    else:
        yield from (random.sample(range(count), count) for _ in range(ORDERS))


def _cut(positions: Sequence[int], random: Random) -> Delivery:
    cuts = [n for n in range(1, len(positions)) if random.random() < 1 / 2]
    bounds = zip([0, *cuts], [*cuts, len(positions)], strict=True)
    return tuple(tuple(positions[start:end]) for start, end in bounds)


def smallest(delivery: Delivery, fails: Callable[[Delivery], bool]) -> Delivery:
    """Return the smallest delivery found that still fails: no single step makes it smaller."""
    while True:
        smaller = next(filter(fails, _simpler(delivery)), None)
        if smaller is None:
            return delivery
        delivery = smaller


def _simpler(delivery: Delivery) -> Iterator[Delivery]:
    """Yield deliveries that are one step smaller: fewer intents, repetitions or batches, or closer to the list."""
    for position in sorted(set(chain(*delivery))):
        yield _without_empty(tuple(tuple(p for p in batch if p != position) for batch in delivery))
    for number, batch in enumerate(delivery):
        for index, position in enumerate(batch):
            if sum(one.count(position) for one in delivery) > 1:
                shorter = batch[:index] + batch[index + 1 :]
                yield _without_empty((*delivery[:number], shorter, *delivery[number + 1 :]))
    for number in range(len(delivery) - 1):
        yield (*delivery[:number], delivery[number] + delivery[number + 1], *delivery[number + 2 :])
    yield from _swapped(delivery)


def _swapped(delivery: Delivery) -> Iterator[Delivery]:
    """Yield the deliveries in which two neighbours that are out of order are swapped."""
    flat = list(chain(*delivery))
    for index in range(len(flat) - 1):
        if flat[index] > flat[index + 1]:
            swapped = iter([*flat[:index], flat[index + 1], flat[index], *flat[index + 2 :]])
            yield tuple(tuple(next(swapped) for _ in batch) for batch in delivery)


def _without_empty(delivery: Delivery) -> Delivery:
    return tuple(batch for batch in delivery if batch)
