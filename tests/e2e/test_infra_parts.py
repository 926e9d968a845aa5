"""The parts of the infrastructure, packaged by osls: the export is the same, and two linters read it."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from penstock.infra.service_file import check_service_file
from penstock.infra.template import PARTS, cloudformation_template
from penstock.project import serverless
from tests.support.cloudformation import normal_form
from tests.support.doctor import check_numbers, diagnose, notes
from tests.support.existing_service import write_existing_service
from tests.support.infra_tools import TOOLS, WITH_STANDARD_QUEUES, run_tool
from tests.support.packaging import STAGE, need_node, packaged

PRODUCERS = ("PageDashviews", "Orders", "Stock", "Emails", "Batches", "Openapi")

pytestmark = [pytest.mark.xdist_group("deployment"), pytest.mark.server, pytest.mark.timeout(600)]


def test_export_is_what_osls_packages(everything: Path) -> None:
    """Each resource of the export is the one that osls makes; osls adds only the service's own functions."""
    whole = json.loads(everything.read_text())
    exported = normal_form(
        cloudformation_template(artifacts="build/dev", parts=WITH_STANDARD_QUEUES),
        Service="shop",
        Stage=STAGE,
        TenantClaim="sub",
        AlarmsTopic="arn:aws:sns:eu-central-1:000000000000:on-call",
        EventsBus="outcomes",
        Budget=15,
        Deployment=whole["Resources"]["DrainVersion"]["Properties"]["Description"],
    )
    made = normal_form(whole)
    for name, resource in exported.items():
        assert resource == made.get(name), name
    more = made.keys() - exported.keys()
    assert {name for name in more if not name.startswith("ServerlessDeploymentBucket")} == {
        name for name in more if any(producer in name for producer in PRODUCERS)
    } | {name for name in more if name.startswith("HttpApiRoute")}


def test_relations(template: dict[str, Any], everything: Path) -> None:
    """The numbers of both templates fit together."""
    assert check_numbers(template) == []
    assert check_numbers(json.loads(everything.read_text())) == []


def test_doctor(template: dict[str, Any], everything: Path) -> None:
    """The doctor finds nothing wrong in both templates, and sees everything in them but alarms."""
    for made in (template, json.loads(everything.read_text())):
        assert diagnose(made) == []
        assert [one for one in notes(made) if "no alarm" not in one] == []


def test_proxy_limit(everything: Path) -> None:
    """The proxy of the database opens exactly the budget."""
    resources = json.loads(everything.read_text())["Resources"]
    pool = resources["DatabaseProxyTargets"]["Properties"]["ConnectionPoolConfigurationInfo"]
    most = resources["DatabaseParameters"]["Properties"]["Parameters"]["max_connections"]
    assert most * pool["MaxConnectionsPercent"] / 100 == 15


@pytest.mark.slow
def test_cfn_lint(everything: Path, tmp_path: Path) -> None:
    """cfn-lint has no error, and no warning but what osls repeats (W3005, W8003) or `package` changes (W3002)."""
    exported = tmp_path / "exported.json"
    exported.write_text(json.dumps(cloudformation_template(artifacts="build/dev", parts=PARTS)))
    own = cloudformation_template(artifacts="build/dev", parts=["vpc", "endpoints"], authorizer="iam")
    (tmp_path / "own.json").write_text(json.dumps(own))
    done = run_tool(
        "cfn-lint", "cfn-lint", "--ignore-checks", "W3002", "--", str(exported), str(tmp_path / "own.json")
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr
    done = run_tool("cfn-lint", "cfn-lint", "--ignore-checks", "W3005", "W8003", "--", str(everything))
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


@pytest.mark.slow
def test_checkov(everything: Path) -> None:
    """Checkov finds what is written down with its reason, for the named resources, and nothing else."""
    done = run_tool(
        "checkov",
        "checkov",
        "--file",
        str(everything),
        "--skip-download",
        "--framework",
        "cloudformation",
        "--output",
        "json",
    )
    report = json.loads(done.stdout)
    assert report["summary"]["parsing_errors"] == 0
    assert report["summary"]["passed"] > 150
    found: dict[str, set[str]] = {}
    for one in report["results"]["failed_checks"]:
        found.setdefault(one["check_id"], set()).add(one["resource"].split(".")[-1])
    exceptions = yaml.safe_load((TOOLS / "checkov-exceptions.yml").read_text())
    assert found == {check: set(one["resources"]) for check, one in exceptions.items()}
    assert all(one["reason"] for one in exceptions.values())


def test_added_to_an_existing_service(built: Path, tmp_path: Path) -> None:
    """A service with a VPC, tags, region, authorizer and resources of its own keeps them, and gets Penstock's."""
    need_node()
    write_existing_service(tmp_path)
    assert check_service_file(serverless.load(tmp_path / "serverless.yml")) == []
    made = packaged(tmp_path, tmp_path / "package")
    assert check_numbers(made) == []
    resources = made["Resources"]
    functions = {
        name: one["Properties"] for name, one in resources.items() if one["Type"] == "AWS::Lambda::Function"
    }
    assert len(functions) == 8
    network = {
        "SecurityGroupIds": [{"Ref": "Guard"}, "sg-1"],
        "SubnetIds": {"Fn::Split": [",", {"Fn::ImportValue": "subnets"}]},
    }
    outside = {name for name, one in functions.items() if "VpcConfig" not in one}
    assert outside == {"LendLambdaFunction"}
    assert all(one["VpcConfig"] == network for name, one in functions.items() if name not in outside)
    drain = functions["DrainLambdaFunction"]
    assert drain["Environment"]["Variables"]["PENSTOCK_DRAIN"] == "app.writes:drain"
    assert {"Key": "team", "Value": "desk"} in drain["Tags"]
    (policy,) = resources["DrainRole"]["Properties"]["Policies"]
    assert "rds-db:connect" in [one["Action"] for one in policy["PolicyDocument"]["Statement"]]
    assert functions["LendLambdaFunction"]["Environment"]["Variables"]["PENSTOCK_TENANT_CLAIM"] == "org_id"
    routes = [one["Properties"] for one in resources.values() if one["Type"] == "AWS::ApiGatewayV2::Route"]
    assert len(routes) == 4
    assert all(route["AuthorizerId"] == {"Ref": "HttpApiAuthorizerStaff"} for route in routes)
    assert {"ShelfName", "QueueUrl"} <= made["Outputs"].keys()
    queue, mapping = (resources[name]["Properties"] for name in ("Queue", "DrainEventSourceMappingSQSQueue"))
    assert (queue["FifoQueue"], queue["QueueName"]) == (True, "library-dev-writes.fifo")
    assert (mapping["BatchSize"], mapping["MaximumBatchingWindowInSeconds"]) == (10, 0)
    (source,) = resources["DeadLetterQueue"]["Properties"]["RedriveAllowPolicy"]["sourceQueueArns"]
    assert source["Fn::Sub"].endswith(":library-dev-writes.fifo")
