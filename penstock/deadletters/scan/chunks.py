"""Things by the group."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def in_groups(things: Iterable[T], size: int) -> Iterator[list[T]]:
    """Take things by the group of `size`, the last of which may be smaller; no more are read than are given."""
    left = iter(things)
    while some := list(islice(left, size)):
        yield some
