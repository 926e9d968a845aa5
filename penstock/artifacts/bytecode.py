"""Bytecode (`.pyc`) for the target's version of Python.

Lambda's file system is read-only, so that a function without bytecode compiles every module at each cold start.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from penstock.artifacts.files import Files
from penstock.artifacts.target import Target
from penstock.artifacts.uv import run, run_uv

_SAYS_WHICH = (
    "import sys; v = sys.version_info; "
    "print(sys.implementation.name, v.releaselevel, f'{v.major}.{v.minor}', sep='-')"
)


def find_python(target: Target, folder: Path) -> Path | None:
    """Return an interpreter that makes bytecode for a target; None if there is none on this machine.

    Bytecode is the same on every architecture, and differs with each minor version and each implementation. That
    of a version before its release may differ from that of the release, which then ignores it. This machine itself
    needs none, because it keeps what it compiles.

    Args:
        target: the target.
        folder: the folder of the service.

    Raises:
        BuildError: there is no uv.
    """
    if target.architecture is None:
        return None
    found = run_uv(folder, ["python", "find", "--no-python-downloads", "--no-project", target.python])
    python = Path(found.stdout.strip())
    return python if found.returncode == 0 and _is_release(python, target.python, folder) else None


def _is_release(python: Path, version: str, folder: Path) -> bool:
    said = run([str(python), "-I", "-c", _SAYS_WHICH], folder)
    return said.stdout.strip() == f"cpython-final-{version}"


def compile_folder(python: Path, folder: Path) -> None:
    """Compile the modules of a folder, except for files that are none for this version of Python.

    The bytecode is valid whatever the time of its source file is ("unchecked hash", PEP 552), because all files of
    the archive have the same time. It names its source without the folder, and depends on the source alone.
    """
    options = ["-qq", "--invalidation-mode", "unchecked-hash", "-s", str(folder)]
    # Without the environment of this process, which can make Python write elsewhere, and (-P) without the modules
    # of the folder, which can have the names of those that compile.
    command = ["env", "-i", f"PATH={os.defpath}", "PYTHONHASHSEED=0", str(python), "-P"]
    run([*command, "-m", "compileall", *options, str(folder)], folder)


@contextmanager
def compiled(files: Files, python: Path | None) -> Iterator[Files]:
    """Give the files with the bytecode of their modules, which exists until the end of the block.

    Args:
        files: files by their paths in the artifact.
        python: the interpreter that compiles them; None for no bytecode.
    """
    if python is None:
        yield files
        return
    with TemporaryDirectory() as folder:
        sources = Path(folder)
        for name, path in files.items():
            if name.endswith(".py"):
                (sources / name).parent.mkdir(parents=True, exist_ok=True)
                (sources / name).write_bytes(path.read_bytes())
        compile_folder(python, sources)
        yield {**files, **{str(path.relative_to(sources)): path for path in sources.rglob("*.pyc")}}
