"""`penstock dlq copy`: what it sends where, what it refuses, and what is on record."""

import boto3
import pytest
from sqlalchemy import Engine

from penstock.queue import SqsQueue, sqs_client
from tests.support.cli_stack import STANDARD, Run, Stack, id_of, letter
from tests.support.dlq import KIND, operation_records


@pytest.fixture
def other(shop: Stack, local_aws_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> SqsQueue:
    """The dead-letter queue of the stage `dev` of the same service."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", local_aws_endpoint)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    service = (shop.folder / "serverless.yml").read_text().split()[1]
    formation = boto3.client("cloudformation")
    formation.create_stack(StackName=f"{service}-dev", TemplateBody=STANDARD)
    waiter = formation.get_waiter("stack_create_complete")
    waiter.wait(StackName=f"{service}-dev", WaiterConfig={"Delay": 0, "MaxAttempts": 1000})
    (stack,) = formation.describe_stacks(StackName=f"{service}-dev")["Stacks"]
    urls = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    return SqsQueue(urls["DeadLetterQueueUrl"], sqs_client())


def test_a_copy_to_another_stage(shop: Stack, other: SqsQueue, run: Run, engine: Engine) -> None:
    """The copies are on its dead-letter queue, the dead letters stay, and the operation is on record."""
    shop.dead.send([letter(1), letter(2)])
    ended = run("dlq", "copy", "--id", id_of(1), "--to-stage", "dev", "--yes", "--json")
    assert (ended.code, [row["outcome"] for row in ended.rows]) == (0, ["copied"])
    assert (shop.dead.depth().visible, shop.main.depth().total, other.depth().total) == (2, 0, 1)
    assert "2 read = 1 copied + 1 not selected" in ended.err
    (record,) = operation_records(engine)
    assert (record["action"], record["outcome"], record["counts"]) == ("copy", "done", {"copied": 1})
    assert record["selection"] == {"ids": [id_of(1)], "to": other.url, "limit": None, "rate": None}
    assert {row["id"] for row in run("dlq", "list", "--stage", "dev", "--json").rows} == {id_of(1)}


def test_a_dry_run_of_a_copy(shop: Stack, other: SqsQueue, run: Run, engine: Engine) -> None:
    """It asks, sends and records nothing."""
    shop.dead.send([letter(1)])
    ended = run("dlq", "copy", "--all", "--to", other.url, "--dry-run", "--json")
    assert (ended.code, [row["outcome"] for row in ended.rows]) == (0, ["copied"])
    assert "would be: 1 copied. Nothing was sent." in ended.err
    assert (other.depth().total, operation_records(engine)) == (0, [])


def test_a_copy_needs_a_confirmation(shop: Stack, other: SqsQueue, run: Run) -> None:
    """Without a terminal, a copy without --yes sends nothing and exits with 3."""
    shop.dead.send([letter(1)])
    for words in ([], ["--no-input"]):
        assert run("dlq", "copy", *KIND, "--to", other.url, *words).code == 3
    assert (other.depth().total, shop.dead.depth().visible) == (0, 1)


def test_a_target_that_is_no_other_dead_letter_queue(shop: Stack, other: SqsQueue, run: Run) -> None:
    """A queue of this stage, none, one with a drain, or two targets are wrong usage, and nothing is leased."""
    client = sqs_client()
    drained = client.create_queue(QueueName="drained")["QueueUrl"]
    arn = client.get_queue_attributes(QueueUrl=other.url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = f'{{"deadLetterTargetArn": "{arn}", "maxReceiveCount": 5}}'
    client.set_queue_attributes(QueueUrl=drained, Attributes={"RedrivePolicy": policy})
    shop.dead.send([letter(1)])
    nowhere = f"{other.url.rpartition('/')[0]}/nosuch"
    for words, says in {
        ("--to", shop.dead.url): "a queue of the same stage",
        ("--to-stage", "local"): "a queue of the same stage",
        ("--to", drained): "a drain reads it",
        ("--to", nowhere): "there is no queue",
        ("--to", "shop-dead-letters"): "is not the URL of a queue",
        ("--to", other.url, "--to-stage", "dev"): "either --to-stage STAGE or --to URL",
        (): "either --to-stage STAGE or --to URL",
    }.items():
        ended = run("dlq", "copy", "--all", "--yes", *words)
        assert (ended.code, ended.out) == (2, ""), words
        assert says in ended.err
    assert [message.receive_count for message in shop.dead.receive(1)] == [1]


def test_an_unknown_fingerprint_copies_nothing(shop: Stack, other: SqsQueue, run: Run) -> None:
    """What a selection names has to be on the queue, as in a replay."""
    shop.dead.send([letter(1)])
    ended = run("dlq", "copy", "--fingerprint", "0123", "--to", other.url, "--yes")
    assert (ended.code, other.depth().total, shop.dead.depth().visible) == (2, 0, 1)


def test_an_id_that_is_not_found(shop: Stack, other: SqsQueue, run: Run) -> None:
    """It is reported, and the exit code is 1."""
    ended = run("dlq", "copy", "--id", id_of(9), "--to", other.url, "--yes")
    assert ended.code == 1
    assert f"no dead letter has the id {id_of(9)}" in ended.err


def test_a_signal_ends_a_copy_in_order(
    shop: Stack, other: SqsQueue, run: Run, engine: Engine, signal_in_a_run: int
) -> None:
    """Ctrl-C and SIGTERM print the counts so far, give back the leases, and the record says so."""
    shop.dead.send([letter(number) for number in range(40)])
    ended = run("dlq", "copy", "--all", "--to", other.url, "--yes")
    assert ended.code == 128 + signal_in_a_run
    assert "stopped; so far: " in ended.err
    assert shop.dead.depth().visible == 40
    assert [record["outcome"] for record in operation_records(engine)] == ["interrupted"]
