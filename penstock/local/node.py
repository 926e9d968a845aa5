"""Running the Serverless Framework's command line, which needs Node."""

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from penstock.local.errors import ToolError

LEAST_NODE: Final = (20, 19)
LAST_LINES: Final = 15
ARCHITECTURES: Final = {"aarch64": "arm64", "arm64": "arm64"}


def check_node() -> None:
    """Check that there is a Node that osls runs on.

    Raises:
        ToolError: There is none, or it is too old.
    """
    wanted = f"Node {'.'.join(map(str, LEAST_NODE))} or newer is needed (https://nodejs.org)"
    node = shutil.which("node")
    if node is None:
        message = f"{wanted}: there is no `node` on the PATH"
        raise ToolError(message)
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603
    found = re.match(r"v(\d+)\.(\d+)\.", said)
    if found is None or (int(found[1]), int(found[2])) < LEAST_NODE:
        message = f"{wanted}: this one is {said.strip() or 'broken'}"
        raise ToolError(message)


def install_osls(project: Path) -> None:
    """Install what package-lock.json names, if it is not there.

    Args:
        project: The folder with package-lock.json.

    Raises:
        ToolError: npm is missing, or failed.
    """
    if _osls(project).exists():
        return
    npm = shutil.which("npm")
    if npm is None:
        message = "npm is needed, to install the Serverless Framework: it comes with Node"
        raise ToolError(message)
    run_tool([npm, "ci", "--no-audit", "--no-fund"], project)


def deploy(project: Path, environment: Mapping[str, str]) -> None:
    """Deploy the stage `local` of a project's serverless.yml.

    Args:
        project: The folder with serverless.yml.
        environment: The variables that lead to the local AWS. Others for AWS, or for proxies, are left out.

    Raises:
        ToolError: The deployment failed; the message ends with what was said.
    """
    kept = {name: value for name, value in os.environ.items() if not _misleading(name)}
    architecture = ARCHITECTURES.get(platform.machine(), "x86_64")
    command = [str(_osls(project)), "deploy", "--stage", "local", f"--param=architecture={architecture}"]
    run_tool(command, project, {**kept, **environment})


def run_tool(command: list[str], folder: Path, environment: Mapping[str, str] | None = None) -> None:
    """Run a command in a folder and keep what it says to ourselves unless it fails.

    Args:
        command: The program and its arguments.
        folder: Where it runs.
        environment: All its environment variables; ours by default.

    Raises:
        ToolError: It failed; the message ends with its last lines.
    """
    done = subprocess.run(  # noqa: S603
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        said = "\n".join(done.stdout.strip().splitlines()[-LAST_LINES:])
        message = f"`{Path(command[0]).name} {command[1]}` failed:\n{said}"
        raise ToolError(message)


def _osls(project: Path) -> Path:
    return project / "node_modules" / ".bin" / "osls"


def _misleading(variable: str) -> bool:
    """Tell whether a variable could send a local deployment elsewhere."""
    return variable.startswith("AWS_") or variable.lower().endswith("_proxy")
