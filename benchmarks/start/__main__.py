"""`make bench-start`: the cost of a cold start, compared with functions that are written by hand.

How to read the figures. Each start is a new process that cannot keep what it compiles, as in Lambda. A function is
imported from an unzipped artifact, built for this machine's Python, and boto3 from a folder that stands for the
runtime, with bytecode too. The time is that of the processor from the import on; read it as ratios: the processors
of Lambda are others.

    import                  the import of the handler. The functions by hand make their clients and engines then,
                            those of Penstock at their first use
    start to first answer   the import, and the answer to a first event, with a fake SQS and an embedded Postgres
    without / with          the import of the handler without bytecode, and with it

The functions by hand are in `benchmarks/start/functions`. They use boto3 and Pydantic, and SQLAlchemy with psycopg
if Penstock's function does. They have no routes, no ledger, no receipts and no structured log.

The report marks a missed target. The exit code is 0 if the measurement itself worked.
"""

import argparse
import os
import platform
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from sysconfig import get_path
from typing import Final

from benchmarks.dlq.fake_sqs import DEAD, MAIN, fake_sqs, refill
from benchmarks.drain.server import Database, server
from benchmarks.figures import VERDICTS, Figure, write_page
from benchmarks.start.comparisons import COMPARISONS, KEY, LETTERS
from benchmarks.start.starts import compare, measure_bytecode
from penstock.artifacts.build import build
from penstock.artifacts.bytecode import compile_folder
from penstock.project.config import Config

ROOT: Final = Path(__file__).parents[2]
STAGE: Final = "bench-start"
FUNCTIONS: Final = "functions"
RUNTIME: Final = ("boto3", "botocore", "s3transfer", "urllib3", "dateutil", "six", "jmespath")
"""The modules that the runtime has (AWS Lambda Developer Guide, "Runtime-included SDK versions")."""
HANDLERS: Final = {"producer": "producer.orders", "consumer": "penstock.functions.drain"}
ARCHITECTURES: Final = {"aarch64": "arm64", "arm64": "arm64"}
CREDENTIALS: Final = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Build the shop's artifacts, measure them, and print a figure a line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.start", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--rounds", type=int, default=15, help="processes for each figure (15)")
    parser.add_argument("--markdown", type=Path, help="path of a Markdown page to write")
    options = parser.parse_args(arguments)
    figures = []
    for figure in _measure(options.rounds):
        sys.stdout.write(f"{figure.name}: {figure.measured} {figure.target} {VERDICTS[figure.reached]}".rstrip())
        sys.stdout.write("\n")
        figures.append(figure)
    if options.markdown:
        introduction = (
            f"Written by `make bench-start`: {options.rounds} processes a figure, cpus {os.cpu_count()}, machine "
            f"{platform.machine()}, python {platform.python_version()}. How to read it: "
            "`benchmarks/start/__main__.py`."
        )
        write_page(options.markdown, "Figures of the start", introduction, figures)


def _measure(rounds: int) -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as place, _environment() as environment:
        runtime = copy_runtime(Path(place) / "runtime")
        artifacts = {name: unzip(path, Path(place) / name) for name, path in build_for_this_machine().items()}
        for comparison in COMPARISONS:
            yield from compare(comparison, [artifacts[comparison.artifact], runtime], environment, rounds)
        for name, module in HANDLERS.items():
            yield from measure_bytecode(name, [artifacts[name], runtime], module, rounds)


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


def unzip(archive: Path, folder: Path) -> Path:
    """Unzip an artifact, and put the functions by hand beside it, with their bytecode."""
    with zipfile.ZipFile(archive) as file:
        file.extractall(folder)
    shutil.copytree(Path(__file__).with_name(FUNCTIONS), folder / FUNCTIONS)
    compile_folder(Path(sys.executable), folder / FUNCTIONS)
    return folder


def copy_runtime(folder: Path) -> Path:
    """Copy boto3 and its dependencies out of the environment, which need not have bytecode, and compile them."""
    libraries = Path(get_path("purelib"))
    for name in RUNTIME:
        if (libraries / name).is_dir():
            shutil.copytree(libraries / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "data"))
        else:
            shutil.copy(libraries / f"{name}.py", folder)
    for name in ("boto3", "botocore"):
        (folder / name / "data").symlink_to(libraries / name / "data")
    compile_folder(Path(sys.executable), folder)
    return folder


@contextmanager
def _environment() -> Iterator[Mapping[str, str]]:
    """Run a fake SQS and a Postgres with the shop's tables; give the environment variables of the functions."""
    with fake_sqs(call_ms=0) as address, server(durable=False) as postgres:
        refill(address, LETTERS)
        database = Database(postgres, "start")
        try:
            yield {
                **CREDENTIALS,
                "AWS_ENDPOINT_URL": address,
                "PENSTOCK_QUEUE_URL": f"{address}/1/{MAIN}",
                "PENSTOCK_DEAD_LETTER_QUEUE_URL": f"{address}/1/{DEAD}",
                "PENSTOCK_DATABASE_URL": database.url,
                "PENSTOCK_RECEIPT_KEY": KEY,
                "PENSTOCK_SOURCE": "/shop",
            }
        finally:
            database.close()


if __name__ == "__main__":
    main()
