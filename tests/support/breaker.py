"""The breaker, with a fault to consider."""

from typing import Any

from sqlalchemy import Engine

from penstock import WriteIntent
from penstock.consumer import (
    Fault,
)
from penstock.consumer.batch import Batch
from penstock.consumer.breaker.breaker import Breaker
from penstock.database.watchdog import Watchdog
from penstock.testing import LambdaContext, sqs_event
from tests.support.lambdas import MAPPING, LambdaStub


class NoteTaken(WriteIntent, kind="note.taken"):
    text: str


def consider(aws: LambdaStub, fault: Fault, engine: Engine, seconds: float = 60, mapping: str = MAPPING) -> None:
    """Have the breaker consider a fault of a batch that has so many seconds left."""
    context = LambdaContext(seconds)
    batch = Batch.of(sqs_event([NoteTaken(text="a")]), context)
    client: Any = aws
    Breaker(mapping, client).consider(fault, Watchdog(engine), batch, context)
