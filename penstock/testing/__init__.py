"""What users of the framework test with: events, a context, a queue in memory, a clock of their own."""

from penstock.testing.clock import ManualClock
from penstock.testing.context import LambdaContext
from penstock.testing.events import received, sqs_event
from penstock.testing.payloads import MemoryPayloads
from penstock.testing.queue import MemoryQueue

__all__ = ["LambdaContext", "ManualClock", "MemoryPayloads", "MemoryQueue", "received", "sqs_event"]
