"""The Serverless Framework itself, of which osls is a fork."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.doctor import check_numbers
from tests.support.existing_service import SERVERLESS, write_existing_service
from tests.support.packaging import STAGE, TEMPLATE, build_shop

pytestmark = [pytest.mark.campaign, pytest.mark.timeout(600)]

VERSION = "3.40.0"
"""The last version that needs no account of its own."""


def test_serverless_3(tmp_path: Path) -> None:
    """It packages the parts too, with a Python that it knows and without a warning about the configuration."""
    npx = shutil.which("npx")
    assert npx, "npx is missing: it comes with Node.js"
    build_shop()
    known = SERVERLESS.replace('frameworkVersion: "^4.0.0"', "configValidationMode: error")
    write_existing_service(tmp_path, known.replace("python3.13", "python3.11"))
    done = subprocess.run(
        [npx, "--yes", f"serverless@{VERSION}", "package", "--stage", STAGE, "--package", "package"],
        cwd=tmp_path,
        env={"SLS_TELEMETRY_DISABLED": "1", "SLS_NOTIFICATIONS_MODE": "off", **os.environ},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    template = json.loads((tmp_path / "package" / TEMPLATE).read_text())
    assert check_numbers(template) == []
    assert "DrainEventSourceMappingSQSQueue" in template["Resources"]
