"""Call a function for each of several items, in threads where that helps."""

from collections import deque
from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


def for_each(items: Iterable[T], do: Callable[[T], None], threads: int) -> None:
    """Call `do` for each item, in at most `threads` threads. The calling thread is one of them.

    If one thread is enough, none is started.
    """
    waiting = deque(items)

    def work() -> None:
        while waiting:
            try:
                item = waiting.popleft()
            except IndexError:  # Another thread took the last item.
                return
            do(item)

    helpers = min(threads, len(waiting)) - 1
    if helpers < 1:
        work()
        return
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 (most functions never make that many calls)

    # The pool ends with this call: a thread must not survive a fork of the process or a freeze of the function.
    with ThreadPoolExecutor(helpers, thread_name_prefix="penstock-queue") as pool:
        futures = [pool.submit(work) for _ in range(helpers)]
        work()
        for future in futures:
            future.result()
