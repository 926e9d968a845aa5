"""The same for each of several things, in threads where that helps."""

from collections import deque
from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


def for_each(things: Iterable[T], do: Callable[[T], None], threads: int) -> None:
    """Do something for each thing, in so many threads at most; where one will do, in none but the caller's."""
    waiting = deque(things)

    def work() -> None:
        while waiting:
            try:
                thing = waiting.popleft()
            except IndexError:  # Another thread was faster.
                return
            do(thing)

    _at_once(work, min(threads, len(waiting)))


def _at_once(work: Callable[[], None], threads: int) -> None:
    if threads <= 1:
        work()
        return
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 (most functions never call that often)

    # Threads of this call alone: none survives it, be it a fork of the process or a freeze of the function.
    with ThreadPoolExecutor(threads - 1, thread_name_prefix="penstock-queue") as pool:
        others = [pool.submit(work) for _ in range(threads - 1)]
        work()
        for other in others:
            other.result()
