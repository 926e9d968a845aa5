"""Tools for tests of a service: SQS events, a Lambda context, a queue and payloads in memory, a manual clock."""

from penstock.testing.clock import ManualClock
from penstock.testing.context import LambdaContext
from penstock.testing.events import received, sqs_event
from penstock.testing.payloads import MemoryPayloads
from penstock.testing.queue import MemoryQueue

__all__ = ["LambdaContext", "ManualClock", "MemoryPayloads", "MemoryQueue", "received", "sqs_event"]
