"""Measure what bytecode in an artifact saves at a cold start: the import of a handler with and without it.

Each round imports the handler in a new process that cannot keep what it compiles, as in Lambda. The artifacts are
built for this machine's Python. Read the figures as ratios: the processors of Lambda are others.
"""

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from sysconfig import get_path
from typing import Final

from benchmarks.figures import Figure, write_page
from penstock.artifacts.build import build
from penstock.project.config import Config

ROOT: Final = Path(__file__).parents[2]
STAGE: Final = "bench-start"
HANDLERS: Final = {"producer": "producer.orders", "consumer": "penstock.functions.drain"}
ARCHITECTURES: Final = {"aarch64": "arm64", "arm64": "arm64"}
CODE: Final = """
import sys, time
sys.path[:0], sys.path[len(sys.path):] = [sys.argv[1]], [sys.argv[2]]
begun = time.process_time()
__import__(sys.argv[3])
print(time.process_time() - begun)
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Build the shop's artifacts, measure them, and print a figure a line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.start", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--rounds", type=int, default=15, help="processes for each figure (15)")
    parser.add_argument("--markdown", type=Path, help="path of a Markdown page to write")
    options = parser.parse_args(arguments)
    figures = []
    for name, archive in build_for_this_machine().items():
        figures += measure(name, archive, HANDLERS[name], options.rounds)
    for figure in figures:
        sys.stdout.write(f"{figure.name}: {figure.measured}\n")
    if options.markdown:
        introduction = (
            f"Written by `python -m benchmarks.start`: {options.rounds} processes a figure, cpus {os.cpu_count()},"
            f" machine {platform.machine()}, python {platform.python_version()}. Processor time of the import."
        )
        write_page(options.markdown, "Figures of the start", introduction, figures)


def build_for_this_machine() -> dict[str, Path]:
    """Return the archives of the shop's artifacts, built for this Python, with bytecode."""
    config = Config.find(ROOT)
    target = {
        "python": ".".join(platform.python_version_tuple()[:2]),
        "architecture": ARCHITECTURES.get(platform.machine(), "x86_64"),
    }
    own = config.model_copy(update={"build": config.build.model_copy(update=target)})
    archives = {one.plan.name: one.plan.archive for one in build(own, ROOT, STAGE)}
    return {name: archives[name] for name in HANDLERS}


def measure(name: str, archive: Path, module: str, rounds: int) -> list[Figure]:
    """Return the time of the import of a module from an archive with bytecode, and from the same without it."""
    with tempfile.TemporaryDirectory() as folder:
        places = {one: Path(folder) / one for one in ("with", "without")}
        for place in places.values():
            with zipfile.ZipFile(archive) as file:
                file.extractall(place)
        for cache in [*places["without"].rglob("__pycache__")]:
            shutil.rmtree(cache)
        # In turns, so that a busy moment of the machine does not hit one of them alone.
        times = [(_import(places["with"], module), _import(places["without"], module)) for _ in range(rounds)]
    quick, slow = (statistics.median(column) for column in zip(*times, strict=True))
    return [
        Figure(f"{name}: import with bytecode", quick, "s"),
        Figure(f"{name}: import without", slow, "s"),
        Figure(f"{name}: without / with", slow / quick),
    ]


def _import(folder: Path, module: str) -> float:
    """Return the seconds of processor time of an import; boto3 is in the runtime, here in the environment."""
    environment = {"PYTHONDONTWRITEBYTECODE": "1", "AWS_DEFAULT_REGION": "eu-west-1"}
    command = [sys.executable, "-S", "-c", CODE, str(folder), get_path("purelib"), module]
    done = subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True, check=True)
    return float(done.stdout)


if __name__ == "__main__":
    main()
