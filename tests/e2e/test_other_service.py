"""A service that shares nothing with the shop, on a local stack of its own."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from penstock.local.stack import LocalDeployment
from penstock.local.state import LocalState
from tests.support.cli_stack import PROGRAM
from tests.support.deployed import aws, eventually
from tests.support.packaging import need_node
from tests.support.project import ROOT
from tests.support.repositories import Repository

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SERVERLESS = """
service: library
frameworkVersion: "^4.0.0"
provider:
  name: aws
  runtime: python3.12
  region: eu-central-1
  stackName: reading-room
  tags: {team: desk}
  stackTags: {team: desk}
  environment:
    PENSTOCK_QUEUE_URL: !Ref Intake
    PENSTOCK_DATABASE_URL: ${env:PENSTOCK_DATABASE_URL}
    WHERE: !Sub "${AWS::Region}/${Intake.QueueName}"
  iam:
    role:
      statements:
        - {Effect: Allow, Action: [sqs:SendMessage], Resource: !GetAtt Intake.Arn}
package:
  patterns: ["!**", "desk/**"]
functions:
  counter:
    name: front-desk
    handler: desk/counter.handler
    tags: {side: front}
    events:
      - httpApi: GET /loans
  broken:
    handler: desk/missing.handler
  shelf:
    handler: app/api.handler
    package: {artifact: "build/${sls:stage}/producer.zip"}
resources:
  Resources:
    Intake:
      Type: AWS::SQS::Queue
      Properties:
        Tags: [{Key: kind, Value: intake}]
"""
# A batch with the permission of a single message, as AWS has it.
HANDLER = """
import os
import boto3

def handler(event, context):
    print("somebody asks", event["rawPath"])
    queue = os.environ["PENSTOCK_QUEUE_URL"]
    boto3.client("sqs").send_message_batch(QueueUrl=queue, Entries=[{"Id": "0", "MessageBody": "{}"}])
    return {"statusCode": 200, "body": "1 " + os.environ["WHERE"] + " " + os.environ["PENSTOCK_DATABASE_URL"]}
"""
SHELF = """
from penstock.intents import ids

def handler(event, context):
    return {"books": 1, "id": len(str(ids.new_id()))}
"""


@pytest.fixture
def library(tmp_path: Path, wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalDeployment]:
    """The folder of the service, and a build command that copies code from `src` and builds an artifact."""
    need_node()
    Repository.make(tmp_path, wheel, tmp_path_factory.mktemp("dependencies"))
    (tmp_path / "app" / "api.py").write_text(SHELF)
    (tmp_path / "serverless.yml").write_text(SERVERLESS)
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "counter.py").write_text(HANDLER)
    (tmp_path / ".penstock").mkdir()
    # Only to save the time of the installation.
    (tmp_path / "node_modules").symlink_to(ROOT / "node_modules")
    (tmp_path / ".penstock" / "aws-environment").symlink_to(ROOT / ".penstock" / "aws-environment")
    stack = LocalDeployment(tmp_path, build=f"rm -rf desk && cp -r src desk && {PROGRAM} build --stage local")
    yield stack
    stack.reset()


def ask(live: LocalState) -> str:
    answer = httpx.get(f"{live.api_url}/loans", headers=live.api_headers, timeout=60, trust_env=False)
    assert answer.status_code == 200, answer.text
    return answer.text


def books(live: LocalState) -> int:
    answer = aws(live, "lambda").invoke(FunctionName=live.functions["shelf"], Payload=b"{}")
    found: dict[str, int] = json.loads(answer["Payload"].read())
    assert found["id"] == 36
    return found["books"]


def test_another_service(library: LocalDeployment) -> None:
    """A service with other names, region, folders and build is deployed, answers, logs, and shows changed code."""
    live = library.up()
    assert (live.service, live.stack, live.region) == ("library", "reading-room", "eu-central-1")
    assert live.functions == {
        "counter": "front-desk",
        "broken": "library-local-broken",
        "shelf": "library-local-shelf",
    }
    assert books(live) == 1
    name = live.queue_url.rsplit("/", 1)[-1]
    assert ask(live) == f"1 eu-central-1/{name} {live.database_url}"
    texts = [line.text for line in library.logs("counter").read()]
    assert "somebody asks /loans" in texts

    aws(live, "lambda").invoke(FunctionName="library-local-broken", Payload=b"{}")
    assert eventually(lambda: any("missing" in line.text for line in library.logs("broken").read()))

    steps: list[str] = []
    assert library.up(steps.append) == live
    assert not [step for step in steps if "deploying" in step]
    (library.project / "src" / "counter.py").write_text(HANDLER.replace('"1 "', '"2 "'))
    assert ask(library.up()).startswith("2 ")
    (library.project / "app" / "api.py").write_text(SHELF.replace('"books": 1', '"books": 2'))
    assert books(library.up()) == 2
