"""Packs on a local SQS, from `emit_many` to the rows and the dead letters."""

import json
from collections.abc import Iterator
from contextlib import closing
from uuid import uuid4

import pytest
from sqlalchemy import Engine

from penstock.consumer import Append, Drain
from penstock.intents.packs import singles
from penstock.producer import Producer
from penstock.producer.large import INTENT_LIMIT_BYTES
from penstock.queue import Received, SqsQueue, sqs_client
from penstock.settings import Settings
from penstock.testing import LambdaContext, sqs_event
from tests.support.drain import ThingMade, metadata, things
from tests.support.project import SESSION

SETTINGS = Settings(receipt_key="key", source="/test", pack_limit=65_536)


@pytest.fixture
def queues(local_aws_endpoint: str) -> Iterator[tuple[SqsQueue, SqsQueue]]:
    """A queue and its dead-letter queue, on the local AWS."""
    with closing(sqs_client(SESSION, local_aws_endpoint)) as client:
        urls = [client.create_queue(QueueName=f"queue-{uuid4()}")["QueueUrl"] for _ in range(2)]
        yield SqsQueue(urls[0], client), SqsQueue(urls[1], client)
        for url in urls:
            client.delete_queue(QueueUrl=url)


def taken(queue: SqsQueue) -> list[Received]:
    """Receive and delete all messages that are visible."""
    found: list[Received] = []
    while page := queue.receive(10):
        found += page
        assert queue.delete([one.receipt_handle for one in page]) == {}
    return found


def test_packs_through_a_local_sqs(engine: Engine, queues: tuple[SqsQueue, SqsQueue]) -> None:
    """SQS carries packs in the group of their tenant; what is dead or must wait leaves them as single messages."""
    main, dead = queues
    metadata.create_all(engine)
    drain = Drain(engine=engine, queue=main, dead_letters=dead)
    drain.write(ThingMade, Append(things))
    good = [ThingMade(name=f"t{number}") for number in range(1000)]
    twin, orphan = ThingMade(name="t0"), ThingMade(name="o", parent="nobody")
    receipts = Producer(SETTINGS, main).emit_many([*good, twin, orphan], tenant="acme")
    messages = taken(main)
    assert len(messages) < 5
    assert {message.group for message in messages} == {"acme"}
    assert drain.handler(sqs_event(messages), LambdaContext()) == {"batchItemFailures": []}
    (letter,) = taken(dead)
    assert (json.loads(letter.body)["id"], letter.group) == (str(twin.intent_id), "acme")
    depth = main.depth()
    assert (depth.visible, depth.delayed) == (0, 1)
    assert {receipt.id for receipt in receipts} >= {orphan.intent_id}


def test_the_largest_pack_on_a_local_sqs(queues: tuple[SqsQueue, SqsQueue]) -> None:
    """A pack of nearly 1 MiB is a message that SQS accepts."""
    main, _ = queues
    producer = Producer(Settings(receipt_key="key", source="/test", pack_limit=INTENT_LIMIT_BYTES), main)
    receipts = producer.emit_many(ThingMade(name="ä" * 1000) for _ in range(600))
    bodies = [message.body for message in taken(main)]
    assert max(len(body.encode()) for body in bodies) > 1_000_000
    found = {json.loads(text)["id"] for body in bodies for text in singles(body)}
    assert found == {str(receipt.id) for receipt in receipts}
