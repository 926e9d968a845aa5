"""Split an iterable into lists of a limited size."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def chunked(iterable: Iterable[T], size: int) -> Iterator[list[T]]:
    """Split an iterable into lists of `size` items; the last list may be shorter.

    It reads the items of one list at a time. (`itertools.batched` does the same from Python 3.12 on.)
    """
    iterator = iter(iterable)
    while chunk := list(islice(iterator, size)):
        yield chunk
