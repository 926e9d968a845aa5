"""The `penstock` command in a separate process, including its start, for `make bench-dlq`.

    python -m benchmarks.dlq.command ARGUMENT ...

prints the same JSON object as `benchmarks.dlq.operations`. The command runs in a temporary folder, and its output
goes to a file there.
"""

import json
import sys
import time
from contextlib import chdir, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory


def main(arguments: list[str]) -> None:
    """Run the command with these arguments and print its figures."""
    started, cpu = time.perf_counter(), time.process_time()
    from penstock.cli import main as penstock  # noqa: PLC0415 (the import is part of the start)

    with TemporaryDirectory() as folder, chdir(folder), Path("out.jsonl").open("w") as out, redirect_stdout(out):
        try:
            penstock(arguments)
        except SystemExit as ended:
            if ended.code:
                raise
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu
    from benchmarks.drain.memory import peak_bytes  # noqa: PLC0415 (it imports modules that the command does not need)

    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu_seconds, "peak": peak_bytes()}))


if __name__ == "__main__":
    main(sys.argv[1:])
