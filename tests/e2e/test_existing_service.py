"""Penstock added to a service that exists: its own folders, names, region, tags, resources and VPC."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from penstock.infra.include_file import NAME, include_file
from penstock.infra.service_file import check_service_file
from penstock.local.stack import LocalDeployment
from penstock.project import serverless
from tests.support.deployed import aws, eventually
from tests.support.doctor import check_numbers
from tests.support.packaging import TEMPLATE, need_node
from tests.support.project import ROOT
from tests.support.repositories import requirements

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SERVERLESS = """
service: library
frameworkVersion: "^4.0.0"
custom:
  penstock:
    authorizer: ${param:authorizer}
    drain: {target: "app.writes:writer", concurrency: 2}
    budget: 13
    migrations: db
    vpc: {securityGroupIds: [!Ref Guard], subnetIds: !Split [",", !ImportValue subnets]}
params:
  default: {authorizer: jwt, network: "${file(infra/penstock.yml):vpc}", architecture: arm64}
  local: {authorizer: local, token: local, network: {}}
provider:
  name: aws
  runtime: python3.12
  architecture: ${param:architecture}
  region: eu-central-1
  stackName: reading-room
  tags: {team: desk}
  httpApi:
    authorizers: ${file(infra/penstock.yml):api.authorizers}
package: {individually: true}
functions:
  - ${file(infra/penstock.yml):functions}
  - lend:
      handler: app/loans.handler
      role: ProducerRole
      environment: ${file(infra/penstock.yml):environment.producer}
      package: {artifact: "build/${sls:stage}/producer.zip"}
      events:
        - httpApi: {method: POST, path: /loans, authorizer: "${file(infra/penstock.yml):api.route}"}
    shelf:
      handler: app/shelf.handler
      role: WritesRole
      reservedConcurrency: 2
      environment: ${file(infra/penstock.yml):environment.writes}
      package: {artifact: "build/${sls:stage}/consumer.zip"}
      events:
        - httpApi: {method: GET, path: /loans, authorizer: "${file(infra/penstock.yml):api.route}"}
resources:
  - ${file(infra/penstock.yml):resources}
  - ${file(infra/penstock.yml):authorizer}
  - ${param:network}
  - Resources:
      Shelf: {Type: AWS::S3::Bucket}
    Outputs:
      ShelfName: {Value: !Ref Shelf}
"""
FILES = {
    "shared/intents.py": """
from penstock import WriteIntent

class LoanMade(WriteIntent, kind="loan.made"):
    book: str
""",
    "app/loans.py": """
from penstock import accepted
from penstock.producer.http.api import HttpApi
from shared.intents import LoanMade

api = HttpApi()

@api.post("/loans")
def lend():
    return accepted(api.emit(api.intent(LoanMade)))

handler = api.resolve
""",
    "app/shelf.py": """
import json
from penstock.database import managed_engine
from sqlalchemy import text

database = managed_engine()

@database.handler
def handler(event, context):
    with database.transaction() as connection:
        books = connection.execute(text("SELECT book FROM loans")).scalars().all()
    return {"statusCode": 200, "body": json.dumps([*books, database.get_stats().connects])}
""",
    "app/writes.py": """
from penstock.consumer import Append, Drain
from shared.intents import LoanMade
from sqlalchemy import Column, MetaData, Table, Text, Uuid

id_, book = Column("intent_id", Uuid, primary_key=True), Column("book", Text, nullable=False)
loans = Table("loans", MetaData(), id_, book)
writer = Drain()
writer.write(LoanMade, Append(loans))
""",
    "db/versions/0001_loans.py": """
from alembic import op

revision, down_revision = "0001", None

def upgrade() -> None:
    op.execute("CREATE TABLE loans (intent_id uuid PRIMARY KEY, book text NOT NULL)")
""",
}


PROJECT = """
[tool.penstock]
intents = ["shared.intents"]
drain = "app.writes:writer"
migrations = "db"
[tool.penstock.build.artifacts.producer]
include = ["app/loans.py", "shared"]
[tool.penstock.build.artifacts.consumer]
include = ["app/writes.py", "app/shelf.py", "shared"]
extras = ["consumer"]
[tool.penstock.build.artifacts.migrate]
include = ["app/writes.py", "shared", "db"]
extras = ["migrate"]
"""


@pytest.fixture
def library(tmp_path: Path, wheel: Path) -> Iterator[LocalDeployment]:
    """The folder of the service, which takes Penstock from its wheel."""
    need_node()
    files = {"serverless.yml": SERVERLESS, "pyproject.toml": PROJECT, NAME: include_file()}
    for name, text in {**FILES, **files, "requirements.txt": requirements(wheel)}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    # Only to save the time of the installation.
    (tmp_path / ".penstock").mkdir()
    (tmp_path / "node_modules").symlink_to(ROOT / "node_modules")
    (tmp_path / ".penstock" / "aws-environment").symlink_to(ROOT / ".penstock" / "aws-environment")
    stack = LocalDeployment(tmp_path)
    yield stack
    stack.reset()


def test_a_service_with_penstock_added(library: LocalDeployment) -> None:
    """Its request becomes a row, which its own function reads; its stack keeps what it had; `migrate` works."""
    content = serverless.load(library.project / "serverless.yml")
    assert check_service_file(content) == []
    live = library.up()
    template = json.loads((library.folder / "package" / TEMPLATE).read_text())
    assert check_numbers(template) == []
    assert (live.stack, live.region) == ("reading-room", "eu-central-1")
    assert {"ShelfName", "QueueUrl"} <= template["Outputs"].keys()
    with httpx.Client(base_url=live.api_url, headers=live.api_headers, timeout=60, trust_env=False) as client:
        answer = client.post("/loans", json={"book": "Emma"})
        assert answer.status_code == 202, answer.text
        place = answer.headers["Location"]
        assert eventually(lambda: client.get(place).json()["status"] == "applied")
        # A function of its own reads the table, and keeps its connection.
        assert [client.get("/loans").json() for _ in range(3)] == [["Emma", 1]] * 3
    with psycopg.connect(live.database_url) as connection:
        assert connection.execute("SELECT book FROM loans").fetchall() == [("Emma",)]
    invoked = aws(live, "lambda").invoke(FunctionName="library-local-migrate", Payload=b"{}")
    answered = json.loads(invoked["Payload"].read())
    assert (answered["applied"], answered["kinds"]) == ([], ["loan.made"])
    assert [one for one in answered["findings"] if one["severity"] == "fault"] == []
