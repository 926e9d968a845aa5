"""Emit from asyncio: the same promises as `penstock.producer`, and the event loop is never blocked.

    from penstock.producer.aio import emit

    receipt = await emit(StockAdjusted(sku=sku, delta=-2))

boto3 blocks, so threads do the work, 32 at most in a process; whoever awaits beyond that waits for one of them.
Cancelling the caller does not take back what a thread has begun: the intent may have been kept all the same.
Emitting the same object again, or another one with the same idempotency key, is safe.
"""

import asyncio
import contextvars
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import TypeVar

from penstock.intents import Receipt, WriteIntent
from penstock.producer import emitter

I = TypeVar("I", bound=WriteIntent)  # noqa: E741
T = TypeVar("T")

THREADS = 32
"""How many emits of a process are under way at most."""


async def emit(
    intent: WriteIntent,
    *,
    idempotency_key: str | None = None,
    tenant: str | None = None,
    ordering_key: str | None = None,
    timeout_seconds: float | None = None,
) -> Receipt:
    """Emit one intent; see `penstock.producer.emit`."""
    call = partial(
        emitter.emit,
        intent,
        idempotency_key=idempotency_key,
        tenant=tenant,
        ordering_key=ordering_key,
        timeout_seconds=timeout_seconds,
    )
    return await _in_thread(call)


async def emit_many(
    intents: Iterable[I],
    *,
    idempotency_key: Callable[[I], str | None] | None = None,
    tenant: str | Callable[[I], str | None] | None = None,
    ordering_key: str | Callable[[I], str | None] | None = None,
    timeout_seconds: float | None = None,
) -> list[Receipt]:
    """Emit several intents; see `penstock.producer.emit_many`. A generator and the functions run in a thread."""
    call = partial(
        emitter.emit_many,
        intents,
        idempotency_key=idempotency_key,
        tenant=tenant,
        ordering_key=ordering_key,
        timeout_seconds=timeout_seconds,
    )
    return await _in_thread(call)


async def _in_thread(call: Callable[[], T]) -> T:
    # The context goes along: it has the trace.
    context = contextvars.copy_context()
    return await asyncio.get_running_loop().run_in_executor(_threads(os.getpid()), context.run, call)


@cache
def _threads(_process: int) -> ThreadPoolExecutor:
    """Return the threads of this process: a fork has none of its parent's."""
    return ThreadPoolExecutor(THREADS, thread_name_prefix="penstock-emit")
