"""The peak memory of one large event, in a separate process.

The child drains one record to warm up and reads its resident memory: the idle process. Then it parses the event
from JSON, as Lambda's runtime does, drains it, and reads its peak resident memory. That is VmHWM of
/proc/self/status, which unlike `ru_maxrss` starts again with the child; without /proc it is `ru_maxrss`. So the
figure includes the event, its text, and all objects that the drain makes.
"""

import gc
import json
import re
import resource
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from benchmarks.drain.contenders import Penstock
from benchmarks.drain.events import page_views_event
from benchmarks.drain.server import LEDGERS, Database
from benchmarks.drain.shop import SHOP
from benchmarks.figures import Figure

AT_MOST_MIB = 150
MIB = 2**20
BODY_BYTES = 629
"""The length of each body: 10,000 of them are 6 MiB."""


def memory_figure(database: Database, records: int) -> Figure:
    """Measure an event of `records` records with bodies of `BODY_BYTES`."""
    database.empty(*SHOP, *LEDGERS)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "event.json"
        path.write_text(json.dumps(page_views_event(records, body_bytes=BODY_BYTES)))
        command = [sys.executable, "-m", "benchmarks.drain.memory", database.url, str(path)]
        project = Path(__file__).parents[2]
        child = subprocess.run(command, check=True, capture_output=True, text=True, cwd=project)
    above = int(child.stdout) / MIB
    name = f"peak memory of {records:,} records, {records * BODY_BYTES / MIB:.1f} MiB, above the idle process"
    return Figure(name, above, unit="MiB", at_most=AT_MOST_MIB)


def main(url: str, path: str) -> None:
    """Print the peak memory above the idle process while draining the event of a file, in bytes."""
    contender = Penstock(url)
    contender.prepare(page_views_event(1))()
    gc.collect()
    idle = psutil.Process().memory_info().rss
    contender.prepare(json.loads(Path(path).read_text()))()
    print(peak_bytes() - idle)
    contender.close()


def peak_bytes() -> int:
    """Return the peak resident memory of this process, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():
        found = re.search(r"^VmHWM:\s*(\d+) kB", status.read_text(), re.MULTILINE)
        assert found is not None
        return int(found[1]) * 1024
    scale = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale


if __name__ == "__main__":
    main(*sys.argv[1:])
