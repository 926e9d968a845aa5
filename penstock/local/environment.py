"""The Python environment of the local AWS: the emulator pins a botocore that conflicts with the service's."""

import hashlib
import shutil
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Final

from penstock.local.errors import ToolError
from penstock.locks import locked

REQUIREMENTS: Final = "aws-requirements.txt"
LAST_LINES: Final = 12


def emulator_python(folder: Path) -> Path:
    """Return the interpreter of an environment; create the environment if it is missing, partial or outdated.

    The environment is created in a draft folder and then renamed, so that after an interrupted installation the
    next call starts again. Several processes can call this at once.

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
    """Return a hash of the pinned packages and the Python version; a current environment has the same one."""
    return hashlib.sha256(_requirements().encode() + sys.version.encode()).hexdigest()


def _requirements() -> str:
    return files("penstock.local").joinpath(REQUIREMENTS).read_text(encoding="utf-8")


def _install(folder: Path) -> None:
    draft = folder.with_name(f"{folder.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    _run([sys.executable, "-m", "venv", str(draft)])
    (draft / REQUIREMENTS).write_text(_requirements(), encoding="utf-8")
    # `python -m pip`, because the scripts of an environment contain the path of the draft folder.
    options = ["--quiet", "--no-input", "--disable-pip-version-check", "--require-hashes", "--only-binary=:all:"]
    _run([str(draft / "bin" / "python"), "-m", "pip", "install", *options, "-r", str(draft / REQUIREMENTS)])
    (draft / "requirements.sha256").write_text(_fingerprint())
    shutil.rmtree(folder, ignore_errors=True)
    draft.rename(folder)


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        output = "\n".join((done.stdout + done.stderr).strip().splitlines()[-LAST_LINES:])
        program = " ".join([Path(command[0]).name, *command[1:3]])
        message = f"the local AWS could not be installed: `{program}` failed:\n{output}"
        raise ToolError(message)
