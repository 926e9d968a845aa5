"""Run osls, the command line of the Serverless Framework, which needs Node."""

import hashlib
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Final

from penstock.local.errors import ToolError
from penstock.locks import locked

MIN_NODE: Final = (20, 19)
LAST_LINES: Final = 15
ARCHITECTURES: Final = {"aarch64": "arm64", "arm64": "arm64"}
LOCK_FILE: Final = "package-lock.json"
# The version that is installed for a project without its own, and the versions of all that it needs.
PINNED: Final = ("package.json", LOCK_FILE)
# osls asks for the state of the stack every 5 seconds by default.
POLL_MILLISECONDS: Final = "500"


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


class Osls:
    """The osls that packages and deploys a project.

    It is the one in `node_modules` of the project or of a folder above it. If the project's package-lock.json has
    osls, it is installed from there. Without either, a pinned version is installed in a folder of its own.

    Args:
        project: The folder with serverless.yml.
        own: The folder for the pinned version.
    """

    def __init__(self, project: Path, own: Path) -> None:
        self._project = project
        self._own = own

    def install(self) -> None:
        """Install osls unless it is installed.

        Raises:
            ToolError: npm is missing or failed.
        """
        if self._installed():
            return
        if _locks_osls(self._project):
            _npm_ci(self._project)
        else:
            self._install_own()

    def package(self, folder: Path, environment: Mapping[str, str]) -> None:
        """Package the stage `local`: the template, the resolved serverless.yml and the artifacts that osls makes.

        Args:
            folder: The folder to write to. Its content is replaced.
            environment: The variables for osls; see `_run`.

        Raises:
            ToolError: osls refuses the file; the message ends with its output.
        """
        shutil.rmtree(folder, ignore_errors=True)
        try:
            self._run("package", folder, environment)
        except ToolError as error:
            message = f"{self._project / 'serverless.yml'} cannot be packaged: {error}{self._hint(str(error))}"
            raise ToolError(message) from None

    def deploy(self, folder: Path, environment: Mapping[str, str]) -> None:
        """Deploy what was packaged.

        Args:
            folder: The folder that `package` wrote to.
            environment: The variables for osls; see `_run`.

        Raises:
            ToolError: The deployment failed; the message ends with the output of osls.
        """
        self._run("deploy", folder, environment)

    def _run(self, command: str, folder: Path, environment: Mapping[str, str]) -> None:
        """Run osls with the variables of this process, but those of AWS and of proxies, and with `environment`."""
        kept = {name: value for name, value in os.environ.items() if not _redirects(name)}
        architecture = ARCHITECTURES.get(platform.machine(), "x86_64")
        run_tool(
            [
                *(str(self._installed() or self._program(self._own)), command, "--stage", "local"),
                *("--package", str(folder), f"--param=architecture={architecture}"),
            ],
            self._project,
            # Warnings of Node would take the place of the error in the last lines.
            {"SLS_AWS_MONITORING_FREQUENCY": POLL_MILLISECONDS, "NODE_NO_WARNINGS": "1", **kept, **environment},
        )

    def _installed(self) -> Path | None:
        """Return the program that the project has, or else the pinned one; None if neither is installed."""
        places = [self._project, *self._project.parents]
        if self._own_is_current():
            places.append(self._own)
        return next((program for program in map(self._program, places) if program.exists()), None)

    def _install_own(self) -> None:
        """Install the pinned version in a draft folder, so that an interrupted installation starts again."""
        with locked(self._own.with_name(f"{self._own.name}.lock")):
            if self._own_is_current():
                return
            draft = self._own.with_name(f"{self._own.name}.draft")
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir(parents=True)
            for name, content in _pinned().items():
                (draft / name).write_text(content, encoding="utf-8")
            _npm_ci(draft)
            (draft / "pinned.sha256").write_text(_fingerprint())
            shutil.rmtree(self._own, ignore_errors=True)
            draft.rename(self._own)

    def _own_is_current(self) -> bool:
        mark = self._own / "pinned.sha256"
        return mark.exists() and mark.read_text() == _fingerprint()

    def _hint(self, output: str) -> str:
        """Return what to do about an error of osls that does not say it, or nothing."""
        if "frameworkVersion" in output and self._installed() == self._program(self._own):
            return (
                "\nThe project has no osls of its own. Install the version that the service is deployed with: "
                "npm install --save-dev osls@VERSION"
            )
        if "Cannot resolve variable" in output:
            return (
                "\nThe local AWS has no other stacks, parameters or secrets. Give a value for the stage `local`, "
                "for example in `params: {local: ...}`"
            )
        return ""

    @staticmethod
    def _program(folder: Path) -> Path:
        return folder / "node_modules" / ".bin" / "osls"


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


def _locks_osls(project: Path) -> bool:
    """Return whether the project's package-lock.json has osls."""
    try:
        return '"node_modules/osls"' in (project / LOCK_FILE).read_text(encoding="utf-8")
    except OSError:
        return False


def _npm_ci(folder: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        message = "npm is needed to install osls, and is not on the PATH: it comes with Node (https://nodejs.org)"
        raise ToolError(message)
    run_tool([npm, "ci", "--no-audit", "--no-fund"], folder)


def _pinned() -> dict[str, str]:
    """Return the files that pin osls and all that it needs, by name."""
    folder = files("penstock.local").joinpath("osls")
    return {name: folder.joinpath(name).read_text(encoding="utf-8") for name in PINNED}


def _fingerprint() -> str:
    return hashlib.sha256("".join(_pinned().values()).encode()).hexdigest()


def _redirects(variable: str) -> bool:
    """Return whether a variable can send a local deployment to another endpoint."""
    return variable.startswith("AWS_") or variable.lower().endswith("_proxy")
