"""A service of one's own on AWS SAM: its functions, events, globals and roles are those that SAM makes."""

from typing import Any

import pytest

from penstock.doctor.load import parse_template
from penstock.doctor.service import Service
from penstock.doctor.stack import Stack
from tests.support.doctor import diagnose, notes

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Globals:
  Function:
    Timeout: 20
    Environment: {Variables: {POWERTOOLS_SERVICE_NAME: own}}
Resources:
  Intents:
    Type: AWS::SQS::Queue
    Properties:
      VisibilityTimeout: 121
      MessageRetentionPeriod: 1209600
      RedrivePolicy: {deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 100}
  Dead: {Type: AWS::SQS::Queue, Properties: {MessageRetentionPeriod: 1209600}}
  OverTls:
    Type: AWS::SQS::QueuePolicy
    Properties:
      Queues: [!Ref Intents, !Ref Dead]
      PolicyDocument:
        Statement:
          - {Effect: Deny, Principal: {AWS: "*"}, Action: "sqs:*", Resource: "*",
             Condition: {Bool: {"aws:SecureTransport": false}}}
  MyWriter:
    Type: AWS::Serverless::Function
    Properties:
      ReservedConcurrentExecutions: 4
      Environment:
        Variables:
          PENSTOCK_QUEUE_URL: !Ref Intents
          PENSTOCK_DEAD_LETTER_QUEUE_URL: !Ref Dead
          PENSTOCK_DATABASE_URL: !Sub "arn:${AWS::Partition}:secretsmanager:${AWS::Region}:1:secret:own"
      Policies:
        - AWSLambdaBasicExecutionRole
        - SQSPollerPolicy: {QueueName: !GetAtt Intents.QueueName}
        - Statement:
            - Effect: Allow
              Action: "secretsmanager:GetSecretValue"
              Resource: "arn:aws:secretsmanager:::secret:own-*"
      Events:
        Batches:
          Type: SQS
          Properties:
            Queue: !GetAtt Intents.Arn
            BatchSize: 100
            MaximumBatchingWindowInSeconds: 1
            FunctionResponseTypes: [ReportBatchItemFailures]
            ScalingConfig: {MaximumConcurrency: 4}
  Resizer: # another function of the service, with a queue of its own, which is not Penstock's business
    Type: AWS::Serverless::Function
    Properties:
      Events: {Images: {Type: SQS, Properties: {Queue: "arn:aws:sqs:::images", FilterCriteria: {Filters: [1]}}}}
  Api:
    Type: AWS::Serverless::Function
    Properties:
      Policies: [AWSLambdaBasicExecutionRole, SQSSendMessagePolicy: {QueueName: !GetAtt Intents.QueueName}]
      Environment: {Variables: {PENSTOCK_QUEUE_URL: !Ref Intents}}
      Events: {Post: {Type: HttpApi, Properties: {Method: POST, Path: /}}}
"""


def changed(*replacements: tuple[str, str]) -> dict[str, Any]:
    text = TEMPLATE
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new)
    return dict(parse_template(text))


def test_a_service_of_ones_own() -> None:
    """The pieces are found without Penstock's names, and a function that is not Penstock's is left alone."""
    service = Service(Stack(changed()))
    assert [drain.name for drain in service.drains] == ["MyWriterBatches"]
    assert [one.name for one in service.own_queues] == ["Intents", "Dead"]
    assert [one.name for one in service.producers] == ["Api"]
    assert service.drains[0].function.timeout == 20
    assert diagnose(changed()) == []
    assert [one for one in notes(changed()) if "no alarm" not in one] == []


@pytest.mark.parametrize(
    ("rule", "old", "new"),
    [
        ("visibility", "VisibilityTimeout: 121", "VisibilityTimeout: 120"),
        (
            "answer",
            "    Properties:\n      Policies: [AWS",
            "    Properties:\n      Timeout: 30\n      Policies: [AWS",
        ),
        ("batch", "            MaximumBatchingWindowInSeconds: 1\n", ""),
        ("partial-responses", "[ReportBatchItemFailures]", "[]"),
        ("concurrency", "MaximumConcurrency: 4", "MaximumConcurrency: 5"),
        ("role", '"secretsmanager:GetSecretValue"', '"*"'),
        ("role", "Policies: [AWSLambdaBasicExecutionRole", "Policies: [AdministratorAccess"),
        ("role", 'Resource: "arn:aws:secretsmanager:::secret:own-*"', 'Resource: "arn:aws:secretsmanager:*:*:*"'),
        ("tls", "Queues: [!Ref Intents, !Ref Dead]", "Queues: [!Ref Intents]"),
        ("tls", '"aws:SecureTransport": false', '"aws:SecureTransport": true'),
        ("tls", "Effect: Deny", "Effect: Allow"),
        ("tls", 'Action: "sqs:*"', 'Action: "sqs:SendMessage"'),
        (
            "dead-letters",
            "Dead: {Type: AWS::SQS::Queue, Properties: {",
            "Dead: {Type: AWS::SQS::Queue, Properties: {FifoQueue: true, ",
        ),
    ],
)
def test_broken_variant(rule: str, old: str, new: str) -> None:
    """One change breaks one rule."""
    assert {one.rule for one in diagnose(changed((old, new)))} == {rule}


def test_what_is_not_seen() -> None:
    """What the template hides is a note that names it: a drain, a number, a role, a queue of another stack."""
    for hidden, said in (
        (
            ("Queue: !GetAtt Intents.Arn", "Queue: !ImportValue intents"),
            "its queue (the template does not have it)",
        ),
        (("VisibilityTimeout: 121", "VisibilityTimeout: !ImportValue v"), "VisibilityTimeout (only a deployment"),
        (("ReservedConcurrentExecutions: 4", "ReservedConcurrentExecutions: !Ref Missing"), "no Missing"),
        (("Timeout: 20", "Timeout: 20\n    Role: !ImportValue role"), "its role (the template does not have it)"),
        (("- AWSLambdaBasicExecutionRole", "- OurCompanyPolicy"), "the managed policy OurCompanyPolicy"),
        (
            (
                "            FunctionResponseTypes: [ReportBatchItemFailures]",
                "            FunctionResponseTypes: !ImportValue x",
            ),
            "FunctionResponseTypes (only",
        ),
        (
            ("ScalingConfig: {MaximumConcurrency: 4}", "ScalingConfig: !ImportValue x"),
            "ScalingConfig.MaximumConcurrency",
        ),
    ):
        made = changed(hidden)
        assert any(said in one for one in notes(made)), (hidden, notes(made))
        assert diagnose(made) == [], hidden
    empty: dict[str, Any] = {"Resources": {}}
    assert any("not checked: the drain" in one for one in notes(empty))
