"""The `penstock` command in a process of its own, for `make bench-dlq`, with its start.

    python -m benchmarks.dlq.command WORD ...

prints what `benchmarks.dlq.runs` does. What the command writes goes to a file.
"""

import json
import sys
import time
from contextlib import redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory


def main(words: list[str]) -> None:
    """Run the command and print its figures."""
    begun, cpu = time.perf_counter(), time.process_time()
    from penstock.cli import main as penstock  # noqa: PLC0415 (its import is part of its start)

    with TemporaryDirectory() as folder, (Path(folder) / "out.jsonl").open("w") as out, redirect_stdout(out):
        try:
            penstock(words)
        except SystemExit as ended:
            if ended.code:
                raise
    seconds, cpu_seconds = time.perf_counter() - begun, time.process_time() - cpu
    from benchmarks.drain.memory import peak  # noqa: PLC0415 (it imports what the command need not)

    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu_seconds, "peak": peak()}))


if __name__ == "__main__":
    main(sys.argv[1:])
