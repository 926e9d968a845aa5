"""A pause of Python's cyclic garbage collector while a batch is drained."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def gc_paused() -> Iterator[None]:
    """Turn the cyclic garbage collector off for the block.

    A batch makes almost no cyclic garbage. But every few hundred new objects start a collection, which looks at
    all of them again. That would take a third of the time of decoding.
    """
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()
