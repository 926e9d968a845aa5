"""Run osls, the command line of the Serverless Framework, which needs Node."""

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from penstock.local.errors import ToolError

MIN_NODE: Final = (20, 19)
LAST_LINES: Final = 15
ARCHITECTURES: Final = {"aarch64": "arm64", "arm64": "arm64"}


def check_node() -> None:
    """Check that Node is installed in a version that osls supports.

    Raises:
        ToolError: Node is missing or too old.
    """
    requirement = f"Node {'.'.join(map(str, MIN_NODE))} or newer is needed (https://nodejs.org)"
    node = shutil.which("node")
    if node is None:
        message = f"{requirement}: there is no `node` on the PATH"
        raise ToolError(message)
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603
    found = re.match(r"v(\d+)\.(\d+)\.", version)
    if found is None or (int(found[1]), int(found[2])) < MIN_NODE:
        message = f"{requirement}: {node} reports {version.strip() or 'no version'}"
        raise ToolError(message)


def install_osls(project: Path) -> None:
    """Install the packages of package-lock.json unless osls is installed.

    Args:
        project: The folder with package-lock.json.

    Raises:
        ToolError: npm is missing or failed.
    """
    if _osls(project).exists():
        return
    npm = shutil.which("npm")
    if npm is None:
        message = "npm is needed to install osls, and is not on the PATH: it comes with Node (https://nodejs.org)"
        raise ToolError(message)
    run_tool([npm, "ci", "--no-audit", "--no-fund"], project)


def deploy(project: Path, environment: Mapping[str, str]) -> None:
    """Deploy the stage `local` of a project's serverless.yml.

    Args:
        project: The folder with serverless.yml.
        environment: The variables of the local AWS. Variables of AWS and of proxies in the current environment
            are not passed on.

    Raises:
        ToolError: The deployment failed; the message ends with the output of osls.
    """
    kept = {name: value for name, value in os.environ.items() if not _redirects(name)}
    architecture = ARCHITECTURES.get(platform.machine(), "x86_64")
    command = [str(_osls(project)), "deploy", "--stage", "local", f"--param=architecture={architecture}"]
    run_tool(command, project, {**kept, **environment})


def run_tool(command: list[str], folder: Path, environment: Mapping[str, str] | None = None) -> None:
    """Run a command in a folder, and show its output only if it fails.

    Args:
        command: The program and its arguments.
        folder: The working directory.
        environment: All its environment variables; those of this process by default.

    Raises:
        ToolError: It failed; the message ends with the last lines of its output.
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
        output = "\n".join(done.stdout.strip().splitlines()[-LAST_LINES:])
        message = f"`{Path(command[0]).name} {command[1]}` failed:\n{output}"
        raise ToolError(message)


def _osls(project: Path) -> Path:
    return project / "node_modules" / ".bin" / "osls"


def _redirects(variable: str) -> bool:
    """Return whether a variable can send a local deployment to another endpoint."""
    return variable.startswith("AWS_") or variable.lower().endswith("_proxy")
