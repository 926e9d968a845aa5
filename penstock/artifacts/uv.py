"""Running uv, which exports lock files, selects wheels for another machine and finds versions of Python."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from penstock.artifacts.errors import BuildError


def run_uv(folder: Path, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run uv in a folder, whose configuration it reads, and return how it ended.

    Args:
        folder: the folder of the service.
        arguments: the arguments.

    Raises:
        BuildError: there is no uv.
    """
    return run([_find_uv(), *arguments, "--color", "never"], folder)


def run(command: Sequence[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a program in a folder, and return how it ended, with its output."""
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603


def _find_uv() -> str:
    """Return uv's path: on the PATH, or in this process's own environment, which may not be activated."""
    beside = Path(sys.executable).with_name("uv")
    found = shutil.which("uv") or (str(beside) if beside.exists() else None)
    if found is None:
        raise BuildError("uv is missing: `pip install uv`, or see https://docs.astral.sh/uv/")
    return found
