"""Templates that osls packages: of the shop, and of the shop with every part of the infrastructure."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.support.infra_tools import WITH_STANDARD_QUEUES
from tests.support.packaging import build_shop, need_node, packaged
from tests.support.project import ROOT

BLOCK = """\
  penstock:
    vpc: ${file(infra/penstock.yml):networks.private}
    database: ${file(infra/penstock.yml):databases.aurora}
    alarms: {topic: "arn:aws:sns:eu-central-1:000000000000:on-call"}
    events: {bus: outcomes}
"""


@pytest.fixture(scope="session")
def built() -> Path:
    """Build the artifacts for AWS."""
    return build_shop()


@pytest.fixture(scope="session")
def template(built: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return the CloudFormation template that osls generates from serverless.yml."""
    need_node()
    return packaged(ROOT, tmp_path_factory.mktemp("package"))


@pytest.fixture(scope="session")
def everything(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file of the template of the shop with every part for standard queues: a network, a database."""
    need_node()
    project = tmp_path_factory.mktemp("everything")
    shutil.copytree(ROOT / "infra", project / "infra")
    (project / "build").symlink_to(ROOT / "build")
    text = (ROOT / "serverless.yml").read_text()
    assert text.count("  penstock:\n") == 1
    lines = [
        f"  - ${{file(infra/penstock.yml):{part}}}\n" for part in WITH_STANDARD_QUEUES if f":{part}}}" not in text
    ]
    text = text.replace("  penstock:\n", BLOCK).replace("    budget: 14\n", "    budget: 15\n")
    text = text.replace("functions:\n", "functions:\n  - ${file(infra/penstock.yml):eventsFunction}\n", 1)
    (project / "serverless.yml").write_text(text + "".join(lines))
    packaged(project, project / "package")
    return project / "package" / "cloudformation-template-update-stack.json"
