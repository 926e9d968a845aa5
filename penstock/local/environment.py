"""The local AWS emulator's own Python environment: it pins a botocore that would clash with the service's."""

import hashlib
import shutil
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Final

from penstock.local.errors import ToolError
from penstock.local.locks import locked

REQUIREMENTS: Final = "aws-requirements.txt"
LAST_LINES: Final = 12


def emulator_python(folder: Path) -> Path:
    """Return the interpreter of the environment in a folder, making it if it is missing, partial or outdated.

    It appears whole or not at all: it is made beside its place and moved there, so an interrupted installation
    is begun again. Several processes may ask at once.

    Args:
        folder: The environment's folder.

    Raises:
        ToolError: pip failed, for example because there is no network.
    """
    python = folder / "bin" / "python"
    mark = folder / "requirements.sha256"
    with locked(folder.with_name(f"{folder.name}.lock")):
        if not (python.exists() and mark.exists() and mark.read_text() == _fingerprint()):
            _install(folder)
    return python


def _fingerprint() -> str:
    """Return what an environment has to be made from to be current: the pinned packages and this Python."""
    return hashlib.sha256(_requirements().encode() + sys.version.encode()).hexdigest()


def _requirements() -> str:
    return files("penstock.local").joinpath(REQUIREMENTS).read_text(encoding="utf-8")


def _install(folder: Path) -> None:
    draft = folder.with_name(f"{folder.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    _run([sys.executable, "-m", "venv", str(draft)])
    (draft / REQUIREMENTS).write_text(_requirements(), encoding="utf-8")
    # The interpreter with -m: the scripts of an environment name the folder it was made in.
    options = ["--quiet", "--no-input", "--disable-pip-version-check", "--require-hashes", "--only-binary=:all:"]
    _run([str(draft / "bin" / "python"), "-m", "pip", "install", *options, "-r", str(draft / REQUIREMENTS)])
    (draft / "requirements.sha256").write_text(_fingerprint())
    shutil.rmtree(folder, ignore_errors=True)
    draft.rename(folder)


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-LAST_LINES:])
        message = f"the local AWS could not be installed:\n{said}"
        raise ToolError(message)
