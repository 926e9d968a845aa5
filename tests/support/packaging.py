"""Packaging a service with osls, without an AWS account and credentials."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from penstock.artifacts.build import build
from penstock.local.errors import ToolError
from penstock.local.node import Osls, check_node
from penstock.project.config import Config
from tests.support.project import ROOT

STAGE = "dev"
BUILD = ROOT / "build" / STAGE
TEMPLATE = "cloudformation-template-update-stack.json"


def build_shop(stage: str = STAGE) -> Path:
    """Build the shop's artifacts for a stage; return their folder."""
    build(Config.find(ROOT), ROOT, stage)
    return ROOT / "build" / stage


def need_node() -> None:
    """Install osls, or skip where there is no Node; in CI a missing one fails."""
    try:
        check_node()
        Osls(ROOT, ROOT / ".penstock" / "osls").install()
    except ToolError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))


def package_with_osls(project: Path, package: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Package a service, with only the environment variables that are needed to find programs."""
    return subprocess.run(
        [str(ROOT / "node_modules/.bin/osls"), "package", "--stage", STAGE, "--package", str(package), *options],
        cwd=project,
        env={"PATH": os.environ["PATH"], "HOME": str(package)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def packaged(project: Path, package: Path, *options: str) -> dict[str, Any]:
    """Return the CloudFormation template that osls makes of a service."""
    done = package_with_osls(project, package, *options)
    assert done.returncode == 0, done.stdout
    template: dict[str, Any] = json.loads((package / TEMPLATE).read_text())
    return template
