"""Events about outcomes on the local AWS: from the drain to a queue that listens to the bus."""

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError
from sqlalchemy import Engine

from penstock.consumer import EventSender
from penstock.settings import Settings
from penstock.testing import LambdaContext
from tests.support.drain import Bench, ThingMade
from tests.support.events import waiting
from tests.support.project import SESSION

BUS = f"outcomes-{uuid4()}"
SETTINGS = Settings(event_bus=BUS, source="/shop")


@pytest.fixture
def bridge(local_aws_endpoint: str) -> Iterator[Any]:
    """A client of the local EventBridge."""
    with closing(SESSION.client("events", endpoint_url=local_aws_endpoint)) as client:
        yield client


def test_a_dead_intent_is_an_event_that_a_rule_finds(engine: Engine, bridge: Any, local_aws_endpoint: str) -> None:
    """Nothing is sent to a bus that does not exist; once it does, a queue gets the event that it asked for."""
    bench = Bench(engine)
    bench.drain = bench.drain.using(SETTINGS, engine=engine, queue=bench.queue, dead_letters=bench.dead_letters)
    dead = ThingMade(name="a")
    bench([ThingMade(name="a"), dead])
    sender = EventSender(SETTINGS, engine=engine, client=bridge)
    with pytest.raises(ClientError, match="ResourceNotFound"):
        sender.handler({}, LambdaContext())
    bridge.create_event_bus(Name=BUS)
    with closing(SESSION.client("sqs", endpoint_url=local_aws_endpoint)) as sqs:
        url = sqs.create_queue(QueueName=f"{BUS}-dead")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        pattern = json.dumps({"source": ["/shop"], "detail": {"outcome": ["dead"]}})
        bridge.put_rule(Name="dead", EventBusName=BUS, EventPattern=pattern)
        bridge.put_targets(Rule="dead", EventBusName=BUS, Targets=[{"Id": "1", "Arn": arn}])
        assert sender.handler({}, LambdaContext()) == {"sent": 2}
        assert waiting(engine) == {}
        (message,) = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=10)["Messages"]
    detail = json.loads(message["Body"])["detail"]
    assert detail.items() >= {"event": f"{dead.intent_id}:dead", "reason": "UniqueViolation"}.items()
