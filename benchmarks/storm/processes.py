"""How the benchmark starts its processes."""

from multiprocessing import get_context
from typing import Final

PROCESSES: Final = get_context("forkserver")
# A new process is forked from one that has imported these and started no thread, so that it starts fast.
PROCESSES.set_forkserver_preload(["benchmarks.storm.drains", "benchmarks.storm.load"])
