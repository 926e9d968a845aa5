"""Emit from asyncio, with the guarantees of `penstock.producer`, without blocking the event loop.

    from penstock.producer.aio import emit

    receipt = await emit(StockAdjusted(sku=sku, delta=-2))

boto3 blocks, so threads do the work: at most 32 in a process. Further calls wait until a thread is free.
Cancelling the caller does not stop a call that a thread has started: SQS may still acknowledge the intent.
Emitting the same object again, or another one with the same idempotency key, is safe.
"""

import asyncio
import contextvars
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import TypeVar, Unpack

from penstock.intents import Receipt, WriteIntent
from penstock.producer import emitter
from penstock.producer.addressing import EmitManyOptions, EmitOptions

I = TypeVar("I", bound=WriteIntent)  # noqa: E741
T = TypeVar("T")

THREADS = 32
"""The most calls of a process that run at once."""


async def emit(intent: WriteIntent, **options: Unpack[EmitOptions]) -> Receipt:
    """Emit one intent; see `penstock.producer.emit`."""
    return await _in_thread(partial(emitter.emit, intent, **options))


async def emit_many(intents: Iterable[I], **options: Unpack[EmitManyOptions[I]]) -> list[Receipt]:
    """Emit several intents; see `penstock.producer.emit_many`. A generator and the functions run in a thread."""
    return await _in_thread(partial(emitter.emit_many, intents, **options))


async def _in_thread(call: Callable[[], T]) -> T:
    # Copy the context: it holds the current trace.
    context = contextvars.copy_context()
    return await asyncio.get_running_loop().run_in_executor(_thread_pool(os.getpid()), context.run, call)


@cache
def _thread_pool(_process_id: int) -> ThreadPoolExecutor:
    """Return the thread pool of this process: after a fork the child has none of its parent's threads."""
    return ThreadPoolExecutor(THREADS, thread_name_prefix="penstock-emit")
