"""What each role may do and may not do, asked of the local AWS, which enforces the permissions of roles.

It lets everybody update a mapping, and names log groups in another way than AWS does: tests/e2e/test_deployment.py
reads these permissions in the template.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import pytest
from botocore.exceptions import ClientError

from penstock.local.state import LocalState
from tests.support.deployed import aws

pytestmark = [pytest.mark.xdist_group("deployment"), pytest.mark.timeout(300)]

DENIED = {"AccessDenied", "AccessDeniedException"}


@dataclass(frozen=True)
class Role:
    """The clients of the role of a function, the region, and the outputs of the stack."""

    client: Callable[[str], Any]
    region: str
    outputs: dict[str, str]


def on_queue(operation: str, queue: str, **arguments: Any) -> Callable[[Role], Any]:
    return lambda role: getattr(role.client("sqs"), operation)(QueueUrl=role.outputs[queue], **arguments)


def on_bucket(operation: str, **arguments: Any) -> Callable[[Role], Any]:
    return lambda role: getattr(role.client("s3"), operation)(
        Bucket=role.outputs["PayloadBucketName"], **arguments
    )


def on_mapping(operation: str, uuid: str | None = None, **arguments: Any) -> Callable[[Role], Any]:
    def call(role: Role) -> Any:
        mapping = f"event-source-mapping:{uuid or role.outputs['EventSourceMapping']}"
        arn = f"arn:aws:lambda:{role.region}:000000000000:{mapping}"
        return getattr(role.client("lambda"), operation)(Resource=arn, **arguments)

    return call


def read_secret(output: str) -> Callable[[Role], Any]:
    return lambda role: role.client("secretsmanager").get_secret_value(SecretId=role.outputs[output])


def about_queue(name: str, queue: str) -> dict[str, Callable[[Role], Any]]:
    """Return calls that change nothing: AWS looks at permissions before it looks at a bad argument."""
    return {
        f"send to {name}": on_queue("send_message", queue, MessageBody="x", DelaySeconds=9999),
        f"receive from {name}": on_queue("receive_message", queue, VisibilityTimeout=0),
        f"delete from {name}": on_queue("delete_message", queue, ReceiptHandle="none"),
        f"postpone in {name}": on_queue(
            "change_message_visibility", queue, ReceiptHandle="none", VisibilityTimeout=0
        ),
        f"look at {name}": on_queue("get_queue_attributes", queue, AttributeNames=["QueueArn"]),
        f"purge {name}": on_queue("purge_queue", queue),
    }


CALLS: Final[dict[str, Callable[[Role], Any]]] = {
    **about_queue("queue", "QueueUrl"),
    **about_queue("dead letters", "DeadLetterQueueUrl"),
    "put payload": on_bucket("put_object", Key="payloads/test-permissions", Body=b""),
    "put elsewhere": on_bucket("put_object", Key="test-permissions", Body=b""),
    "get payload": on_bucket("get_object", Key="payloads/none"),
    "list payloads": on_bucket("list_objects_v2", MaxKeys=1),
    "read database's URL": read_secret("DatabaseSecretName"),
    "read receipt key": read_secret("ReceiptKeyArn"),
    "find mappings": lambda role: role.client("lambda").list_event_source_mappings(),
    "look at marks": on_mapping("list_tags"),
    "mark mapping": on_mapping("tag_resource", Tags={}),
    "mark another mapping": on_mapping("tag_resource", "0199aa00-0000-7000-8000-000000000001", Tags={}),
    "unmark mapping": on_mapping("untag_resource", TagKeys=["none"]),
    "invoke migrate": lambda role: role.client("lambda").invoke(
        FunctionName=role.outputs["MigrateFunctionName"], InvocationType="DryRun"
    ),
}

RECEIVE, DELETE, POSTPONE, LOOK = ("receive from", "delete from", "postpone in", "look at")


def queue_calls(name: str, *verbs: str) -> set[str]:
    return {f"{verb} {name}" for verb in verbs}


RECEIVER = (RECEIVE, DELETE, POSTPONE, LOOK)
ALLOWED: Final[dict[str, set[str]]] = {
    "page-views": {"send to queue", "put payload", "read receipt key"},
    "writes": {"read database's URL", "read receipt key"},
    "drain": queue_calls("queue", *RECEIVER)
    | {"send to queue", "send to dead letters", "get payload", "list payloads", "read database's URL"}
    | {"find mappings", "mark mapping"},
    "probe": queue_calls("queue", RECEIVE, DELETE, LOOK)
    | {"send to dead letters", "read database's URL", "look at marks", "mark mapping", "unmark mapping"},
    "prune": {"read database's URL"},
    "dead-letters": queue_calls("dead letters", *RECEIVER)
    | {"send to queue", "send to dead letters", "read database's URL"},
    "migrate": {"read database's URL"},
}


@pytest.mark.parametrize("function", ALLOWED)
def test_role(live: LocalState, function: str) -> None:
    """A role may do what its function does, and nothing else of all that any role may do."""
    role = aws(live, "lambda").get_function_configuration(FunctionName=f"shop-local-{function}")["Role"]
    taken = aws(live, "sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    credentials = {
        "aws_access_key_id": taken["AccessKeyId"],
        "aws_secret_access_key": taken["SecretAccessKey"],
        "aws_session_token": taken["SessionToken"],
    }
    (deployed,) = aws(live, "cloudformation").describe_stacks(StackName=live.stack)["Stacks"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in deployed["Outputs"]}
    caller = Role(lambda service: aws(live, service, **credentials), live.region, outputs)
    assert {name for name, call in CALLS.items() if allowed(call, caller)} == ALLOWED[function]


def allowed(call: Callable[[Role], Any], role: Role) -> bool:
    """Return whether a call gets past the permissions, whatever else is wrong with it."""
    try:
        call(role)
    except ClientError as error:
        return error.response["Error"]["Code"] not in DENIED
    return True
