"""Python's collector of cyclic garbage, kept off while a batch is drained."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collecting_later() -> Iterator[None]:
    """Leave cyclic garbage alone meanwhile.

    A batch makes next to none, but each few hundred of its objects have the collector look at all of them again,
    which would take a third of the time of decoding.
    """
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()
