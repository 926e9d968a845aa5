"""The packaged template and the artifacts, made without an AWS account and credentials."""

import ast
import json
import re
import shutil
import time
import zipfile
from collections.abc import Iterator
from graphlib import TopologicalSorter
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from penstock.consumer.batch import Batch, Item
from penstock.consumer.faults.tree import PayloadFault
from penstock.consumer.pipeline.retry_delay import set_retry_visibility
from penstock.consumer.retention import Retention
from penstock.testing import MemoryQueue
from tests.support.packaging import BUILD, STAGE, need_node, package_with_osls, packaged
from tests.support.project import ROOT

PRODUCERS = {"page-views", "orders", "stock", "emails", "batches", "openapi"}
CONSUMERS = {"writes", "drain", "probe", "prune", "dead-letters", "migrate"}
ARTIFACTS = ("consumer", "migrate", "producer")

pytestmark = pytest.mark.xdist_group("deployment")


def resources(template: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    found = template["Resources"].items()
    return {name: content["Properties"] for name, content in found if content["Type"] == kind}


def functions(template: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found = resources(template, "AWS::Lambda::Function").values()
    return {function["FunctionName"].removeprefix(f"shop-{STAGE}-"): function for function in found}


def mapping(template: dict[str, Any]) -> dict[str, Any]:
    (found,) = resources(template, "AWS::Lambda::EventSourceMapping").values()
    return found


def statements(template: dict[str, Any], holder: str) -> Iterator[dict[str, Any]]:
    properties = template["Resources"][holder]["Properties"]
    policies = properties.get("Policies", [properties])
    return chain.from_iterable(policy["PolicyDocument"]["Statement"] for policy in policies)


def actions(template: dict[str, Any], *holders: str) -> dict[str, set[str]]:
    """Return the actions that roles and policies allow, by resource (without the log groups)."""
    allowed: dict[str, set[str]] = {}
    for statement in chain.from_iterable(statements(template, holder) for holder in holders):
        given = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        allowed.setdefault(json.dumps(statement["Resource"]), set()).update(given)
    return {resource: given for resource, given in allowed.items() if ":log-group:" not in resource}


def contents(name: str) -> set[str]:
    with zipfile.ZipFile(BUILD / f"{name}.zip") as archive:
        return set(archive.namelist())


def test_functions(template: dict[str, Any]) -> None:
    """There is one function per kind of request, and the six of the consumer's side."""
    assert functions(template).keys() == PRODUCERS | CONSUMERS


def test_routes(template: dict[str, Any]) -> None:
    """The API has the routes of the service."""
    routes = {route["RouteKey"] for route in resources(template, "AWS::ApiGatewayV2::Route").values()}
    assert routes == {
        "POST /page-views",
        "POST /orders",
        "PUT /orders/{order_id}/status",
        "POST /stock/{sku}/adjustments",
        "POST /emails",
        "POST /batches",
        "GET /openapi.json",
        "GET /writes/{receipt}",
        "HEAD /writes/{receipt}",
    }


def test_authorization(template: dict[str, Any]) -> None:
    """Every route requires a token of the issuer, and a service without a configured issuer accepts no token."""
    (authorizer,) = resources(template, "AWS::ApiGatewayV2::Authorizer").values()
    assert authorizer["AuthorizerType"] == "JWT"
    assert authorizer["IdentitySource"] == ["$request.header.Authorization"]
    assert authorizer["JwtConfiguration"] == {"Audience": ["shop"], "Issuer": "https://issuer.invalid"}
    routes = resources(template, "AWS::ApiGatewayV2::Route").values()
    assert {route["AuthorizationType"] for route in routes} == {"JWT"}
    assert functions(template)["orders"]["Environment"]["Variables"]["PENSTOCK_TENANT_CLAIM"] == "sub"


def test_iam_authorization(built: Path, tmp_path: Path) -> None:
    """With `authorizer` set to iam, every route requires a signature, and there is no authorizer for tokens."""
    need_node()
    template = packaged(ROOT, tmp_path, "--param=authorizer=iam")
    routes = resources(template, "AWS::ApiGatewayV2::Route").values()
    assert {route["AuthorizationType"] for route in routes} == {"AWS_IAM"}
    assert resources(template, "AWS::ApiGatewayV2::Authorizer") == {}


def test_no_cors(template: dict[str, Any]) -> None:
    """No page of another origin may call the API by default."""
    (api,) = resources(template, "AWS::ApiGatewayV2::Api").values()
    assert "CorsConfiguration" not in api


def test_time_to_answer(template: dict[str, Any]) -> None:
    """The functions behind the API time out before API Gateway does, after 30 s."""
    found = functions(template)
    assert all(found[name]["Timeout"] < 30 for name in [*PRODUCERS, "writes"])


def test_visibility_timeout(template: dict[str, Any]) -> None:
    """No message becomes visible while its batch is being drained: 6 x the timeout, plus the window."""
    drain = functions(template)["drain"]
    queue = template["Resources"]["Queue"]["Properties"]
    least = 6 * drain["Timeout"] + mapping(template)["MaximumBatchingWindowInSeconds"]
    assert queue["VisibilityTimeout"] >= least


def test_reserved_concurrency(template: dict[str, Any]) -> None:
    """The queue invokes at most the reserved number of drains at once, so that none is throttled."""
    most = mapping(template)["ScalingConfig"]["MaximumConcurrency"]
    assert most >= 2
    assert functions(template)["drain"]["ReservedConcurrentExecutions"] >= most


def test_budget(template: dict[str, Any]) -> None:
    """The connection budget in the outputs is exactly the connections that its functions can hold at once."""
    connected = {name: function for name, function in functions(template).items() if name in CONSUMERS}
    connections = [
        function["ReservedConcurrentExecutions"] * int(function["Environment"]["Variables"]["PENSTOCK_POOL_SIZE"])
        for function in connected.values()
    ]
    assert len(connections) == 6
    assert int(template["Outputs"]["ConnectionBudget"]["Value"]) == sum(connections)


def test_batches(template: dict[str, Any]) -> None:
    """The drain gets full batches and reports each failed message; no message is filtered."""
    found = mapping(template)
    assert found["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert 10 < found["BatchSize"] <= 10_000
    assert found["MaximumBatchingWindowInSeconds"] >= 1
    assert "FilterCriteria" not in found


def test_retention(template: dict[str, Any]) -> None:
    """A dead letter keeps the age of its message, so both queues retain messages for 14 days, the maximum."""
    queues = resources(template, "AWS::SQS::Queue")
    assert {queue["MessageRetentionPeriod"] for queue in queues.values()} == {14 * 24 * 3600}
    assert all(queue["SqsManagedSseEnabled"] is True for queue in queues.values())


def test_redrive_is_a_backstop(template: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """A message that is retried until its retention ends never reaches the receive count of the redrive policy."""
    queue = template["Resources"]["Queue"]["Properties"]
    assert queue["RedrivePolicy"]["deadLetterTargetArn"] == {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]}
    bounds: list[tuple[int, ...]] = []

    def least(*both: int) -> int:
        bounds.append(both)
        return both[0]

    monkeypatch.setattr("penstock.consumer.pipeline.retry_delay.random.randint", least)
    for count in range(1, queue["RedrivePolicy"]["maxReceiveCount"] + 1):
        record = {"messageId": "1", "receiptHandle": "1", "attributes": {"ApproximateReceiveCount": str(count)}}
        item = Item(record, fault=PayloadFault("payload-unavailable"))
        memory = MemoryQueue()
        set_retry_visibility(Batch([item], time.monotonic() + 30, "1", {"1": item}), memory, Retention(memory))
    assert sum(low for low, _ in bounds) >= queue["MessageRetentionPeriod"]
    assert max(high for _, high in bounds) <= 11 * 3600, "SQS counts its 12 hours from the receive"


@pytest.mark.parametrize("name", sorted(PRODUCERS))
def test_producers_know_no_database(template: dict[str, Any], name: str) -> None:
    """A producer function has no setting of the database, and has the producers' role."""
    function = functions(template)[name]
    assert function["Role"] == {"Fn::GetAtt": ["ProducerRole", "Arn"]}
    assert function["Environment"]["Variables"].keys() == {
        "PENSTOCK_METRICS",
        "PENSTOCK_ENCRYPTION_KEY",
        "PENSTOCK_PAYLOAD_BUCKET",
        "PENSTOCK_QUEUE_URL",
        "PENSTOCK_RECEIPT_KEY",
        "PENSTOCK_SOURCE",
        "PENSTOCK_TENANT_CLAIM",
        "POWERTOOLS_SERVICE_NAME",
    }
    assert "database" not in json.dumps(function).lower()


def test_producer_permissions(template: dict[str, Any]) -> None:
    """A producer may only send to the queue, put payloads and read the receipt key."""
    assert actions(template, "ProducerRole") == {
        '{"Fn::Sub": "${PayloadBucket.Arn}/payloads/*"}': {"s3:PutObject"},
        '{"Fn::GetAtt": ["Queue", "Arn"]}': {"sqs:SendMessage*"},
        '{"Fn::GetAtt": ["ReceiptKey", "Id"]}': {"secretsmanager:GetSecretValue"},
    }


def test_drain_permissions(template: dict[str, Any]) -> None:
    """The drain may receive from the queue and send to it, read payloads and one secret, and send dead letters."""
    found = actions(template, "DrainRole")
    secrets = [resource for resource in found if "database-url" in resource]
    assert len(secrets) == 1
    assert found.pop(secrets[0]) == {"secretsmanager:GetSecretValue"}
    assert found == {
        '{"Fn::GetAtt": ["Queue", "Arn"]}': {
            "sqs:ChangeMessageVisibility*",
            "sqs:DeleteMessage*",
            "sqs:GetQueueAttributes",
            "sqs:ReceiveMessage",
            "sqs:SendMessage*",
        },
        '{"Fn::GetAtt": ["DeadLetterQueue", "Arn"]}': {"sqs:SendMessage*"},
        '{"Fn::Sub": "${PayloadBucket.Arn}/payloads/*"}': {"s3:GetObject"},
        '{"Fn::GetAtt": ["PayloadBucket", "Arn"]}': {"s3:ListBucket"},
    }


def test_writes_permissions(template: dict[str, Any]) -> None:
    """The function for outcomes may read two secrets, and has no permission on a queue."""
    found = actions(template, "WritesRole")
    assert set().union(*found.values()) == {"secretsmanager:GetSecretValue"}
    assert len(found) == 2


MAPPING = (
    '{"Fn::Sub": "arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:event-source-mapping:'
    '${DrainEventSourceMappingSQSQueue}"}'
)


def test_breaker_permissions(template: dict[str, Any]) -> None:
    """The drain may find its own mapping, and may update no other."""
    policy = template["Resources"]["DrainBreakerPolicy"]["Properties"]
    assert policy["Roles"] == [{"Ref": "DrainRole"}]
    assert actions(template, "DrainBreakerPolicy") == {
        MAPPING: {"lambda:TagResource", "lambda:UpdateEventSourceMapping"},
        '"*"': {"lambda:ListEventSourceMappings"},
    }


def test_probe_permissions(template: dict[str, Any]) -> None:
    """The probe may update that one mapping, read the database's URL, and move messages to the dead letters."""
    assert template["Resources"]["ProbeBreakerPolicy"]["Properties"]["Roles"] == [{"Ref": "ProbeRole"}]
    found = actions(template, "ProbeRole", "ProbeBreakerPolicy")
    assert {action.removeprefix("lambda:") for action in found.pop(MAPPING)} == {
        "GetEventSourceMapping",
        "ListEventSourceMappings",
        "ListTags",
        "TagResource",
        "UntagResource",
        "UpdateEventSourceMapping",
    }
    assert found.pop('{"Fn::GetAtt": ["Queue", "Arn"]}') == {
        "sqs:DeleteMessage*",
        "sqs:GetQueueAttributes",
        "sqs:ReceiveMessage",
    }
    assert found.pop('{"Fn::GetAtt": ["DeadLetterQueue", "Arn"]}') == {"sqs:SendMessage*"}
    ((secret, given),) = found.items()
    assert "database-url" in secret
    assert given == {"secretsmanager:GetSecretValue"}


def test_prune_permissions(template: dict[str, Any]) -> None:
    """The prune function may only read the database's URL."""
    ((secret, given),) = actions(template, "PruneRole").items()
    assert "database-url" in secret
    assert given == {"secretsmanager:GetSecretValue"}


def test_migrate_permissions(template: dict[str, Any]) -> None:
    """The migrate function may only read the database's URL, and no service may invoke it."""
    ((secret, given),) = actions(template, "MigrateRole").items()
    assert "database-url" in secret
    assert given == {"secretsmanager:GetSecretValue"}
    permissions = resources(template, "AWS::Lambda::Permission").values()
    assert "MigrateLambdaFunction" not in str(permissions)
    assert template["Outputs"]["MigrateFunctionName"]["Value"] == {"Ref": "MigrateLambdaFunction"}


def test_dead_letters_permissions(template: dict[str, Any]) -> None:
    """The function `dead-letters` may receive and send dead letters, and send to the queue; nothing invokes it."""
    found = {where: given for where, given in actions(template, "DeadLettersRole").items() if "sqs" in str(given)}
    assert found == {
        '{"Fn::GetAtt": ["DeadLetterQueue", "Arn"]}': {
            "sqs:ChangeMessageVisibility*",
            "sqs:DeleteMessage*",
            "sqs:GetQueueAttributes",
            "sqs:ReceiveMessage",
            "sqs:SendMessage*",
        },
        '{"Fn::GetAtt": ["Queue", "Arn"]}': {"sqs:SendMessage*"},
    }
    permissions = resources(template, "AWS::Lambda::Permission").values()
    assert "DeadDashlettersLambdaFunction" not in str(permissions)


def test_schedules(template: dict[str, Any]) -> None:
    """The probe runs every minute and prune every day, and neither runs twice at once."""
    rules = resources(template, "AWS::Events::Rule").values()
    assert {rule["Targets"][0]["Arn"]["Fn::GetAtt"][0]: rule["ScheduleExpression"] for rule in rules} == {
        "ProbeLambdaFunction": "rate(1 minute)",
        "PruneLambdaFunction": "rate(1 day)",
    }
    found = functions(template)
    assert {found[name]["ReservedConcurrentExecutions"] for name in ("probe", "prune")} == {1}


def test_probe_timeout(template: dict[str, Any]) -> None:
    """The probe's timeout is longer than that of a connection attempt, and shorter than its interval."""
    probe = functions(template)["probe"]
    assert 10 < probe["Timeout"] < 60


def test_breaker_environment(template: dict[str, Any]) -> None:
    """Drain and probe have settings of the same mapping: the drain by its own name, the probe by reference."""
    found = functions(template)
    drain, probe = (found[name]["Environment"]["Variables"] for name in ("drain", "probe"))
    assert drain["PENSTOCK_EVENT_SOURCE_MAPPING"] == found["drain"]["FunctionName"]
    logical = probe["PENSTOCK_EVENT_SOURCE_MAPPING"]["Ref"]
    fed = template["Resources"][logical]["Properties"]["FunctionName"]
    assert fed == {"Fn::GetAtt": ["DrainLambdaFunction", "Arn"]}


def test_no_circular_dependency(template: dict[str, Any]) -> None:
    """CloudFormation can create the resources in order: drain, mapping, and what refers to the mapping."""
    made = template["Resources"]
    needs = {name: {other for other in referred(content) if other in made} for name, content in made.items()}
    assert {"DrainEventSourceMappingSQSQueue"} <= needs["DrainBreakerPolicy"] & needs["ProbeLambdaFunction"]
    order = list(TopologicalSorter(needs).static_order())
    assert order.index("DrainLambdaFunction") < order.index("DrainEventSourceMappingSQSQueue")


def referred(content: Any) -> Iterator[str]:
    """Yield the names that a part of the template refers to."""
    if isinstance(content, dict):
        for key, value in content.items():
            if key in {"Ref", "DependsOn", "Fn::GetAtt"}:
                yield from [value] if isinstance(value, str) else value
            elif key == "Fn::Sub":
                yield from re.findall(r"\$\{(\w+)", value)
            else:
                yield from referred(value)
    elif isinstance(content, list):
        for value in content:
            yield from referred(value)


def test_no_wildcard_resources(template: dict[str, Any]) -> None:
    """Only listing mappings is allowed on all resources; logs go only to the log groups of this service."""
    policies = resources(template, "AWS::IAM::Policy")
    for holder in ("ProducerRole", "WritesRole", "DrainRole", "ProbeRole", "PruneRole", "MigrateRole", *policies):
        for statement in statements(template, holder):
            assert statement["Resource"] != "*" or statement["Action"] == "lambda:ListEventSourceMappings"
            own = "${PayloadBucket.Arn}" in json.dumps(statement["Resource"])
            if "Fn::Sub" in statement["Resource"] and holder not in policies and not own:
                assert f"shop-{STAGE}-" in json.dumps(statement) or f"/{STAGE}/" in json.dumps(statement)


def test_roles(template: dict[str, Any]) -> None:
    """There is a role for each kind of function, and no shared default role."""
    roles = {"Producer", "Writes", "Drain", "Probe", "Prune", "DeadLetters", "Migrate"}
    assert resources(template, "AWS::IAM::Role").keys() == {f"{name}Role" for name in roles}


def test_only_tls(template: dict[str, Any]) -> None:
    """On a stage in AWS, both queues refuse plain HTTP, which is all that the local AWS has."""
    policies = resources(template, "AWS::SQS::QueuePolicy")
    assert len(policies) == 2
    assert template["Conditions"]["IsRemote"] == {"Fn::Not": [{"Fn::Equals": [STAGE, "local"]}]}
    for name, policy in policies.items():
        assert template["Resources"][name]["Condition"] == "IsRemote"
        (statement,) = policy["PolicyDocument"]["Statement"]
        assert statement["Effect"] == "Deny"
        assert {"Ref": statement["Resource"]["Fn::GetAtt"][0]} in policy["Queues"]


def test_payload_bucket(template: dict[str, Any]) -> None:
    """The payload bucket is private and TLS-only, and its objects outlast queue, dead letters and a replay."""
    made = template["Resources"]["PayloadBucket"]
    assert (made["DeletionPolicy"], made["UpdateReplacePolicy"]) == ("Retain", "Retain")
    bucket = made["Properties"]
    assert "BucketName" not in bucket
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    (rule,) = bucket["LifecycleConfiguration"]["Rules"]
    assert (rule["Status"], rule["Prefix"]) == ("Enabled", "payloads/")
    queues = resources(template, "AWS::SQS::Queue").values()
    rest = sum(queue["MessageRetentionPeriod"] for queue in queues) / 86_400
    assert int(rule["ExpirationInDays"]) >= 2 * rest
    policy = template["Resources"]["PayloadBucketPolicy"]
    (statement,) = policy["Properties"]["PolicyDocument"]["Statement"]
    assert (policy["Condition"], statement["Effect"]) == ("IsRemote", "Deny")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_payload_environment(template: dict[str, Any]) -> None:
    """Only the producers and the drain have the setting of the payload bucket."""
    environments = {name: function["Environment"]["Variables"] for name, function in functions(template).items()}
    buckets = {name: given.get("PENSTOCK_PAYLOAD_BUCKET") for name, given in environments.items()}
    assert {name for name, bucket in buckets.items() if bucket} == PRODUCERS | {"drain"}
    assert all(bucket == {"Ref": "PayloadBucket"} for bucket in buckets.values() if bucket)


def test_runtime(template: dict[str, Any]) -> None:
    """All functions run on arm64 and one Python, and their logs expire."""
    found = functions(template).values()
    assert {tuple(function["Architectures"]) for function in found} == {("arm64",)}
    assert len({function["Runtime"] for function in found}) == 1
    assert all(group["RetentionInDays"] for group in resources(template, "AWS::Logs::LogGroup").values())


def test_outputs(template: dict[str, Any]) -> None:
    """The stack has the outputs by which the command line finds a service."""
    expected = {"ApiUrl", "QueueUrl", "DeadLetterQueueUrl", "ConnectionBudget", "EventSourceMapping", "HttpApiId"}
    assert expected <= template["Outputs"].keys()


def test_missing_artifacts(built: Path, tmp_path: Path) -> None:
    """Packaging without the artifacts fails, and names the missing one."""
    need_node()
    shutil.copytree(ROOT / "infra", tmp_path / "infra")
    shutil.copy(ROOT / "serverless.yml", tmp_path)
    done = package_with_osls(tmp_path, tmp_path / "out")
    assert done.returncode != 0
    assert f"build/{STAGE}/" in done.stdout


def test_producer_artifact(built: Path) -> None:
    """The producers' artifact contains neither a database library nor the parts of Penstock that use one."""
    files = contents("producer")
    tops = {file.split("/")[0] for file in files}
    assert {"penstock", "producer", "shared", "pydantic", "aws_lambda_powertools"} <= tops
    assert not tops & {"sqlalchemy", "psycopg", "psycopg_binary", "alembic", "consumer", "boto3", "botocore"}
    rooms = {file.split("/")[1] for file in files if file.startswith("penstock/") and file.count("/") > 1}
    assert rooms == {"encryption", "expressions", "intents", "metrics", "producer", "queue"}


@pytest.mark.parametrize("name", ["consumer", "migrate"])
def test_consumer_artifact(built: Path, name: str) -> None:
    """The consumer's artifacts have the database libraries and no producer, and only migrate has migrations."""
    files = contents(name)
    tops = {file.split("/")[0] for file in files}
    assert {"penstock", "consumer", "shared", "sqlalchemy", "psycopg", "psycopg_binary"} <= tops
    assert not tops & {"typer", "rich", "boto3", "botocore", "producer"}
    assert ("alembic" in tops) == (name == "migrate")
    migrations = {"penstock/database/migrations/versions/0001_ledger.py", "infra/migrations/versions/0001_shop.py"}
    assert (files & migrations) == (migrations if name == "migrate" else set())
    rooms = {file.split("/")[1] for file in files if file.startswith("penstock/") and file.count("/") > 1}
    common = {"consumer", "database", "encryption", "expressions", "intents", "metrics", "producer", "queue"}
    assert rooms == common | {"deadletters", "functions"}


def test_handlers_are_in_the_artifacts(built: Path, template: dict[str, Any]) -> None:
    """Each function's artifact contains the module of its handler."""
    for function in functions(template).values():
        module, _, _ = function["Handler"].rpartition(".")
        artifact = Path(function["Code"]["S3Key"]).stem
        assert f"{module}.py" in contents(artifact)


def test_artifacts_are_lean(built: Path) -> None:
    """No artifact contains tests, and each is far below the size limit of Lambda."""
    for name in ARTIFACTS:
        assert not [file for file in contents(name) if "/tests/" in file]
        assert (BUILD / f"{name}.zip").stat().st_size < 25e6


def test_artifacts_are_complete(built: Path, tmp_path: Path) -> None:
    """Each module of the framework that the framework's modules in an artifact import is in it too."""
    for name in ARTIFACTS:
        modules = sorted(one for one in contents(name) if one.startswith("penstock/") and one.endswith(".py"))
        with zipfile.ZipFile(BUILD / f"{name}.zip") as archive:
            archive.extractall(tmp_path / name, modules)
        imported = {module for file in modules for module in imports(tmp_path / name / file)}
        found = {file.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for file in modules}
        assert len(imported) > 20
        assert {module for module in imported if module.startswith("penstock")} <= found


def imports(module: Path) -> Iterator[str]:
    """Yield the modules that a module imports names from."""
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def test_artifacts_are_for_the_target(built: Path) -> None:
    """Compiled modules are for the function's Python and processor, not for this machine."""
    compiled = [file for file in contents("consumer") if file.endswith(".so") and "cpython" in file]
    assert compiled
    assert all("cpython-314-aarch64" in file for file in compiled)
