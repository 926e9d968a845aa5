"""Tools for tests of a service: events, a Lambda context, fakes in memory, a drain to test, and its law of order.

The fixtures of `penstock.testing.plugin` are made of them.
"""

from typing import TYPE_CHECKING, Final

from penstock.exports import exports_of

if TYPE_CHECKING:
    from penstock.testing.clock import ManualClock
    from penstock.testing.context import LambdaContext
    from penstock.testing.convergence import Convergence, OrderMatters
    from penstock.testing.drained import Drained, QueueDrain
    from penstock.testing.emitted import Emitted
    from penstock.testing.events import received, sqs_event
    from penstock.testing.http_events import http_event
    from penstock.testing.keys import MemoryKeys
    from penstock.testing.payloads import MemoryPayloads
    from penstock.testing.queue import MemoryQueue

__all__ = [
    "Convergence",
    "Drained",
    "Emitted",
    "LambdaContext",
    "ManualClock",
    "MemoryKeys",
    "MemoryPayloads",
    "MemoryQueue",
    "OrderMatters",
    "QueueDrain",
    "http_event",
    "received",
    "sqs_event",
]

_MODULES: Final = {
    "Convergence": "convergence",
    "Drained": "drained",
    "Emitted": "emitted",
    "LambdaContext": "context",
    "ManualClock": "clock",
    "MemoryKeys": "keys",
    "MemoryPayloads": "payloads",
    "MemoryQueue": "queue",
    "OrderMatters": "convergence",
    "QueueDrain": "drained",
    "http_event": "http_events",
    "received": "events",
    "sqs_event": "events",
}

__getattr__ = exports_of(__name__, _MODULES)
