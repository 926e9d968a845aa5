"""A deployed stack: the live settings count, and what cannot be read is said."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import boto3
import pytest
from botocore.exceptions import ClientError

from penstock.doctor.examine import examine
from penstock.doctor.finding import Finding
from penstock.doctor.live import read_live_stack
from penstock.doctor.values import Unknown
from tests.support.doctor import wrong

OVER_TLS = """
          - {Effect: Deny, Principal: "*", Action: "sqs:*", Resource: "*",
             Condition: {Bool: {"aws:SecureTransport": "false"}}}
"""
TEMPLATE = f"""
Parameters:
  Timeout: {{Type: Number, Default: 900}}
  Password: {{Type: String, NoEcho: true, Default: none}}
Resources:
  Queue:
    Type: AWS::SQS::Queue
    Properties:
      VisibilityTimeout: 61
      RedrivePolicy: {{deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 100}}
  Dead: {{Type: AWS::SQS::Queue}}
  OverTls:
    Type: AWS::SQS::QueuePolicy
    Properties:
      Queues: [!Ref Queue, !Ref Dead]
      PolicyDocument:
        Version: "2012-10-17"
        Statement:{OVER_TLS}
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement: [{{Effect: Allow, Principal: {{Service: lambda.amazonaws.com}}, Action: "sts:AssumeRole"}}]
  Drain:
    Type: AWS::Lambda::Function
    Properties:
      Runtime: python3.12
      Handler: index.handler
      Timeout: !Ref Timeout
      ReservedConcurrentExecutions: 2
      Role: !GetAtt Role.Arn
      Code: {{ZipFile: "def handler(event, context): return {{'batchItemFailures': []}}"}}
      Environment:
        Variables:
          PENSTOCK_QUEUE_URL: !Ref Queue
          PENSTOCK_DEAD_LETTER_QUEUE_URL: !Ref Dead
          PENSTOCK_DATABASE_URL: !Sub "arn:aws:secretsmanager:${{AWS::Region}}:1:secret:${{Password}}"
  Mapping:
    Type: AWS::Lambda::EventSourceMapping
    Properties:
      EventSourceArn: !GetAtt Queue.Arn
      FunctionName: !Ref Drain
      BatchSize: 10
      FunctionResponseTypes: [ReportBatchItemFailures]
      ScalingConfig: {{MaximumConcurrency: 2}}
"""

Clients = Callable[[str], Any]


@pytest.fixture
def clients(local_aws_endpoint: str) -> Clients:
    session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1")
    made: dict[str, Any] = {}

    def client(service: str) -> Any:
        if service not in made:
            made[service] = session.client(service, endpoint_url=local_aws_endpoint)  # type: ignore[call-overload]
        return made[service]

    return client


def deploy(clients: Clients, name: str, template: str, **parameters: str) -> None:
    formation = clients("cloudformation")
    formation.create_stack(
        StackName=name,
        TemplateBody=template,
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        Capabilities=["CAPABILITY_IAM"],
    )
    done = formation.get_waiter("stack_create_complete")
    done.wait(StackName=name, WaiterConfig={"Delay": 0, "MaxAttempts": 1000})


@pytest.fixture
def deployed(clients: Clients) -> Iterator[tuple[str, dict[str, str]]]:
    """Deploy the template with another timeout than its default; give the stack's name and its physical ids."""
    formation, name = clients("cloudformation"), f"doctor-{uuid4()}"
    deploy(clients, name, TEMPLATE, Timeout="10")
    found = formation.list_stack_resources(StackName=name)["StackResourceSummaries"]
    ids = {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in found}
    # The local AWS does not reserve it by the template.
    clients("lambda").put_function_concurrency(FunctionName=ids["Drain"], ReservedConcurrentExecutions=2)
    yield name, ids
    formation.delete_stack(StackName=name)


def found_in(name: str, clients: Clients) -> list[Finding]:
    return examine(read_live_stack(name, clients))


def test_a_deployed_stack(deployed: tuple[str, dict[str, str]], clients: Clients) -> None:
    """A stack breaks no rule as it was deployed, with the parameters that it has been given."""
    assert wrong(found_in(deployed[0], clients)) == []


def test_live_settings(deployed: tuple[str, dict[str, str]], clients: Clients) -> None:
    """What was changed after the deployment is what is examined."""
    name, ids = deployed
    queue, functions = ids["Queue"], clients("lambda")
    clients("sqs").set_queue_attributes(
        QueueUrl=queue, Attributes={"VisibilityTimeout": "59", "RedrivePolicy": ""}
    )
    functions.put_function_concurrency(FunctionName=ids["Drain"], ReservedConcurrentExecutions=1)
    functions.update_event_source_mapping(UUID=ids["Mapping"], FunctionResponseTypes=[], BatchSize=11)
    configured = functions.get_function_configuration(FunctionName=ids["Drain"])
    variables = configured["Environment"]["Variables"] | {"PENSTOCK_POOL_SIZE": "2"}
    functions.update_function_configuration(FunctionName=ids["Drain"], Environment={"Variables": variables})
    broken = {one.rule for one in wrong(found_in(name, clients))}
    assert broken == {"visibility", "dead-letters", "concurrency", "partial-responses", "batch", "pool"}


def test_what_cannot_be_read(deployed: tuple[str, dict[str, str]], clients: Clients) -> None:
    """Live settings that may not be read are named, with the reason, and those of the template are examined."""
    name, _ = deployed

    def without_lambda(service: str) -> Any:
        return Forbidden() if service == "lambda" else clients(service)

    found = found_in(name, without_lambda)
    assert wrong(found) == []
    said = [one.problem for one in found if one.rule == "unseen"]
    assert {one.resource for one in found if one.rule == "unseen"} == {"Drain", "Mapping"}
    assert all("its live settings (AccessDeniedException)" in one for one in said)


class Forbidden:
    """A client of a service that refuses every call."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def refuse(**_: Any) -> Any:
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, name)

        return refuse


def test_hidden_parameters(deployed: tuple[str, dict[str, str]], clients: Clients) -> None:
    """A parameter that CloudFormation hides is not known: it is neither asterisks nor its default."""

    class Formation:
        def __getattr__(self, name: str) -> Any:
            return getattr(clients("cloudformation"), name)

        def describe_stacks(self, **_: Any) -> Any:
            hidden = {"ParameterKey": "Password", "ParameterValue": "****"}
            return {"Stacks": [{"Parameters": [hidden]}]}

    stack = read_live_stack(deployed[0], lambda name: Formation() if name == "cloudformation" else clients(name))
    assert isinstance(stack.parameter("Password"), Unknown)


def test_on_the_local_aws(deployed: tuple[str, dict[str, str]], clients: Clients) -> None:
    """On the local AWS the reserved concurrency is that of the template."""
    name, ids = deployed
    clients("lambda").delete_function_concurrency(FunctionName=ids["Drain"])
    assert [one.rule for one in wrong(found_in(name, clients))] == ["budget"]
    assert wrong(examine(read_live_stack(name, clients, emulated=True))) == []


def test_nested_stacks(clients: Clients, local_aws_endpoint: str) -> None:
    """A nested stack is read too, with its live settings, and its outputs are known outside."""
    bucket, name = f"templates-{uuid4()}", f"outer-{uuid4()}"
    clients("s3").create_bucket(Bucket=bucket)
    inner = TEMPLATE + "Outputs: {ConnectionBudget: {Value: 3}}\n"
    clients("s3").put_object(Bucket=bucket, Key="inner.yml", Body=inner)
    outer = f"""
Resources:
  Inner:
    Type: AWS::CloudFormation::Stack
    Properties: {{TemplateURL: "{local_aws_endpoint}/{bucket}/inner.yml", Parameters: {{Timeout: 10}}}}
Outputs: {{ConnectionBudget: {{Value: !GetAtt Inner.Outputs.ConnectionBudget}}}}
"""
    deploy(clients, name, outer)
    stack = read_live_stack(name, clients, emulated=True)
    assert {one.name for one in stack.everything()} >= {"Inner", "Inner/Queue", "Inner/Drain"}
    (found,) = wrong(examine(stack))
    assert found.problem.startswith("budget is 3, and the functions hold up to 2 connections")
    (queue,) = (one for one in stack.everything() if one.name == "Inner/Queue")
    assert queue.at("VisibilityTimeout") == "61", "live values are texts"
