"""cfn-lint and checkov, pinned, each in an environment of its own.

Among the development dependencies they would hold back the versions of the framework's own dependencies.
"""

import os
import subprocess
from pathlib import Path

from penstock.infra.template import PARTS
from tests.support.project import ROOT

WITH_STANDARD_QUEUES = [part for part in PARTS if part != "fifo"]
"""Every optional part that goes with standard queues."""
WITHOUT_EVENTS = [part for part in WITH_STANDARD_QUEUES if not part.startswith("events")]
"""The same without a function more, so that the budget is that of the default."""
TOOLS = ROOT / "tests" / "infra" / "tools"


def run_tool(requirements: str, *command: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run a command with what `tests/infra/tools/REQUIREMENTS.txt` pins; uv keeps the environment."""
    uv = ROOT / ".tools" / "bin" / "uv"
    environment = ["run", "--no-project", "--quiet", "--with-requirements", str(TOOLS / f"{requirements}.txt")]
    return subprocess.run(
        [str(uv if uv.exists() else "uv"), *environment, *command],
        cwd=folder,
        env=os.environ | {"LOG_LEVEL": "CRITICAL"},
        capture_output=True,
        text=True,
        check=False,
    )
