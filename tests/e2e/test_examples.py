"""The examples for other tools than the Serverless Framework: packaged as AWS or the tool itself does it."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from penstock.doctor.examine import examine
from penstock.doctor.files import read_stack
from penstock.infra.include_file import include_document
from penstock.infra.template import cloudformation_template
from tests.support.cloudformation import normal_form
from tests.support.doctor import diagnose, notes, wrong
from tests.support.infra_tools import run_tool
from tests.support.project import ROOT

pytestmark = [
    pytest.mark.xdist_group("deployment"),
    pytest.mark.server,
    pytest.mark.slow,
    pytest.mark.timeout(900),
]

# They have no Sensitive fields.
VARIABLES = include_document()["environment"]["producer"].keys() - {"PENSTOCK_ENCRYPTION_KEY"}
"""What a producer needs, according to the parts."""


@pytest.fixture
def example(built: Path, tmp_path: Path) -> Path:
    """The examples, two folders below the artifacts as in the repository."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    (tmp_path / "build").symlink_to(ROOT / "build")
    return tmp_path / "examples"


def of_kind(template: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [one["Properties"] for one in template["Resources"].values() if one["Type"] == kind]


def test_sam(example: Path) -> None:
    """SAM makes a producer with a protected route, beside a stack that has every output that it uses."""
    folder = example / "sam"
    exported = cloudformation_template(artifacts="../../build/dev")
    (folder / "penstock.yml").write_text(json.dumps(exported))
    linted = run_tool("cfn-lint", "cfn-lint", "template.yml", folder=folder)
    assert (linted.returncode, linted.stdout) == (0, ""), linted.stdout + linted.stderr
    script = ROOT / "tests" / "infra" / "tools" / "sam_transform.py"
    done = run_tool("cfn-lint", "python", str(script), "template.yml", folder=folder)
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert wrong(examine(read_stack(folder / "template.yml"))) == []
    (producer,) = of_kind(made, "AWS::Lambda::Function")
    assert producer["Environment"]["Variables"].keys() == VARIABLES
    assert producer["Role"] == {"Fn::GetAtt": ["Penstock", "Outputs.ProducerRoleArn"]}
    (route,) = of_kind(made, "AWS::ApiGatewayV2::Route")
    assert route["AuthorizationType"] == "JWT"
    used = {text.split('"')[0] for text in done.stdout.split("Outputs.")[1:]}
    assert used <= exported["Outputs"].keys()
    own = {"HttpApiId", "HttpApiUrl", "HttpApiAuthorizerId", "ProducerRoleArn"}
    assert made["Outputs"].keys() == exported["Outputs"].keys() - own, "the command finds them in the outer stack"
    (nested,) = of_kind(made, "AWS::CloudFormation::Stack")
    needed = {name for name, one in exported["Parameters"].items() if "Default" not in one}
    assert needed <= nested["Parameters"].keys() <= exported["Parameters"].keys()


def test_cdk(example: Path) -> None:
    """The CDK leaves each resource of the export as it is, but for the artifacts, and adds a producer.

    In it, and in a service that has no part of Penstock, the doctor finds nothing wrong.
    """
    if not (npm := shutil.which("npm")):
        pytest.skip("npm is missing")
    folder = example / "cdk"
    exported = cloudformation_template(artifacts="../../build/dev")
    (folder / "penstock.json").write_text(json.dumps(exported))
    subprocess.run([npm, "ci", "--no-audit", "--no-fund", "--silent"], cwd=folder, check=True)
    made = synthesized(folder, "app.js", "Shop")
    assert diagnose(made) == []
    for resource in (*made["Resources"].values(), *exported["Resources"].values()):
        resource.pop("Metadata", None)
        if resource["Type"] == "AWS::Lambda::Function":
            resource["Properties"]["Code"] = "uploaded"
    found = normal_form(made)
    parameters = {"Service": "shop", "Stage": "dev", "Issuer": "https://issuer.example.org"}
    for name, resource in normal_form(exported, **parameters).items():
        assert found[name] == resource, name
    (producer,) = [
        one for one in of_kind(made, "AWS::Lambda::Function") if one["FunctionName"] == "shop-dev-orders"
    ]
    assert producer["Environment"]["Variables"].keys() == VARIABLES
    assert made["Outputs"].keys() >= exported["Outputs"].keys()
    shutil.copy(ROOT / "tests" / "e2e" / "own_drain.js", folder)
    check_own_drain(synthesized(folder, "own_drain.js", "Own"))


def check_own_drain(made: dict[str, Any]) -> None:
    """The doctor sees a drain by the CDK's generated names, and through the alias that its mapping invokes."""
    assert diagnose(made) == []
    assert notes(made) == []
    (function,) = (one for one in of_kind(made, "AWS::Lambda::Function") if "Timeout" in one)
    (mapping,) = of_kind(made, "AWS::Lambda::EventSourceMapping")
    function["Timeout"], mapping["ScalingConfig"]["MaximumConcurrency"] = 31, 5
    assert {one.rule for one in diagnose(made)} == {"visibility", "concurrency"}


def synthesized(folder: Path, app: str, stack: str) -> dict[str, Any]:
    """Return the template that the CDK makes of a stack."""
    environment = os.environ | {"CDK_OUTDIR": "cdk.out"}
    done = subprocess.run(["node", app], cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    made: dict[str, Any] = json.loads((folder / "cdk.out" / f"{stack}.template.json").read_text())
    return made
