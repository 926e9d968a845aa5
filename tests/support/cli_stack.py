"""Helpers for the tests of the command line: running a command, and deploying the two queues of a service."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import boto3

from penstock.consumer.dead_letter import DeadLetter
from penstock.consumer.faults.tree import Cause, DataFault
from penstock.local import state
from penstock.queue import Attribute, Outgoing, SqsQueue, sqs_client

STANDARD = """
Resources:
  Queue: {Type: AWS::SQS::Queue}
  DeadLetterQueue: {Type: AWS::SQS::Queue, Properties: {MessageRetentionPeriod: 1209600}}
Outputs:
  QueueUrl: {Value: {Ref: Queue}}
  DeadLetterQueueUrl: {Value: {Ref: DeadLetterQueue}}
  QueueArn: {Value: {"Fn::GetAtt": [Queue, Arn]}}
  DeadLetterQueueArn: {Value: {"Fn::GetAtt": [DeadLetterQueue, Arn]}}
  EventSourceMapping: {Value: 0199aa00-0000-7000-8000-000000000001}
  ConnectionBudget: {Value: "12"}
"""
FIFO = STANDARD.replace("1209600", "1209600, FifoQueue: true").replace(
    "::Queue}", "::Queue, Properties: {FifoQueue: true}}"
)
PROGRAM = str(Path(sys.executable).with_name("penstock"))


@dataclass(frozen=True)
class Ended:
    """The exit code and the output of a command."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[Any]:
        """The lines of stdout as JSON."""
        return [json.loads(line) for line in self.out.splitlines()]


Run = Callable[..., Ended]


def record(folder: Path, **known: str) -> None:
    """Record a local stack."""
    (folder / state.FOLDER).mkdir(exist_ok=True)
    facts: dict[str, Any] = {one.name: "" for one in fields(state.LocalState)} | {"region": "us-east-1"}
    state.write(folder / state.FOLDER, state.LocalState(**facts | known))


@dataclass(frozen=True)
class Stack:
    """A deployed service: its folder and its two queues."""

    folder: Path
    main: SqsQueue
    dead: SqsQueue


@contextmanager
def deployed(folder: Path, endpoint_url: str, database_url: str, template: str) -> Iterator[Stack]:
    """Deploy a service that consists of two queues."""
    service = f"shop-{uuid4()}"
    (folder / "serverless.yml").write_text(f"service: {service}\nplugins: [!Sub x]\n")
    stack = f"{service}-local"
    record(folder, service=service, stack=stack, endpoint_url=endpoint_url, database_url=database_url)
    session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1")
    with (
        closing(session.client("cloudformation", endpoint_url=endpoint_url)) as formation,
        closing(sqs_client(session, endpoint_url)) as client,
    ):
        formation.create_stack(StackName=stack, TemplateBody=template)
        done = formation.get_waiter("stack_create_complete")
        done.wait(StackName=stack, WaiterConfig={"Delay": 0, "MaxAttempts": 1000})
        outputs = formation.describe_stacks(StackName=stack)["Stacks"][0]["Outputs"]
        urls = {output["OutputKey"]: output["OutputValue"] for output in outputs}
        yield Stack(folder, SqsQueue(urls["QueueUrl"], client), SqsQueue(urls["DeadLetterQueueUrl"], client))


def id_of(number: int) -> str:
    """Return the id of the intent with this number."""
    return str(UUID(int=number))


def letter(number: int) -> Outgoing:
    """Return the dead letter of the intent with this number."""
    data = {"email": "someone@example.org"}
    body = {"specversion": "1.0", "id": id_of(number), "type": "email.requested", "data": data}
    fault = DataFault(Cause("NotNullViolation", sqlstate="23502", table="emails", column="subject"))
    dead = DeadLetter.of(
        fault,
        kind="email.requested",
        id=id_of(number),
        receive_count=1,
        first_seen=None,
        function_version=None,
    )
    return dead.stamp(Outgoing(json.dumps(body), {"type": Attribute("email.requested")}))


def in_terminal(words: list[str], answer: str | bytes) -> tuple[int, str]:
    """Run the command on a terminal, type the answer, and return the exit code and the screen."""
    controller, terminal = os.openpty()
    command = [PROGRAM, *words]
    with subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal, env=os.environ) as process:
        os.close(terminal)
        os.write(controller, answer.encode() if isinstance(answer, str) else answer)
        screen = b""
        try:
            while part := os.read(controller, 4096):
                screen += part
        except OSError:
            pass  # Linux raises this when the other side is closed.
    os.close(controller)
    return process.returncode, screen.decode()
