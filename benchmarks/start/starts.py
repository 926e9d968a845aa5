"""The time of a start in a new process: the import of a handler, and its answer to a first event."""

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.figures import Figure
from benchmarks.start.comparisons import Comparison, Event

MAX_IMPORT_RATIO, MAX_ANSWER_RATIO = 1.3, 1.4

CODE: Final = """
import json, sys, time
artifact, runtime, module, event = sys.argv[1:]
sys.path[:0], sys.path[len(sys.path):] = [artifact], [runtime]
class Context:
    function_name, function_version, memory_limit_in_mb = "start", "1", 512
    invoked_function_arn = "arn:aws:lambda:us-east-1:000000000000:function:start"
    aws_request_id = "00000000-0000-0000-0000-000000000000"
    def get_remaining_time_in_millis(self):
        return 30_000
event = json.loads(event)
begun = time.process_time()
handler = __import__(module, fromlist=["handler"]).handler
imported = time.process_time()
answer = handler(event, Context()) if event else {}
answered = time.process_time()
print()
print(json.dumps({"imported": imported - begun, "answered": answered - begun, "answer": answer}))
"""


@dataclass(frozen=True, slots=True)
class Start:
    """The processor time of one start, in seconds.

    Attributes:
        imported: until the handler is imported.
        answered: until it has answered the first event, the import included.
    """

    imported: float
    answered: float


def compare(
    comparison: Comparison, places: Sequence[Path], environment: Mapping[str, str], rounds: int
) -> Iterator[Figure]:
    """Measure the functions of a comparison in turn, each in processes of its own; yield the ratios.

    Args:
        comparison: the functions.
        places: the artifact, unzipped, with the functions by hand; and the modules of the runtime.
        environment: the environment variables of the functions.
        rounds: the number of processes of each function.
    """
    starts: dict[str, list[Start]] = {
        module: [] for module in (comparison.by_hand, *comparison.functions.values())
    }
    # In turns, so that a busy moment of the machine does not hit one of them alone.
    for _ in range(rounds):
        for module, found in starts.items():
            event = comparison.event() if comparison.event else None
            found.append(_run(places, module, event, comparison.answer, environment))
    for name, module in comparison.functions.items():
        imported, answered = (
            _ratio(starts[module], starts[comparison.by_hand], at) for at in ("imported", "answered")
        )
        yield Figure(f"import: {name} / by hand", imported, at_most=MAX_IMPORT_RATIO)
        if comparison.event:
            yield Figure(f"start to first answer: {name} / by hand", answered, at_most=MAX_ANSWER_RATIO)


def _ratio(ours: Sequence[Start], by_hand: Sequence[Start], at: str) -> float:
    return _median(ours, at) / _median(by_hand, at)


def _median(starts: Sequence[Start], at: str) -> float:
    return statistics.median(float(getattr(start, at)) for start in starts)


def _run(
    places: Sequence[Path],
    module: str,
    event: Event | None = None,
    answer: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Start:
    command = [sys.executable, "-S", "-c", CODE, *map(str, places), module, json.dumps(event)]
    own = {"PYTHONDONTWRITEBYTECODE": "1", "AWS_DEFAULT_REGION": "us-east-1", **(environment or {})}
    done = subprocess.run(command, env=own, cwd="/", capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert (answer or {}).items() <= found["answer"].items(), done.stdout
    return Start(found["imported"], found["answered"])


def measure_bytecode(name: str, places: Sequence[Path], module: str, rounds: int) -> Iterator[Figure]:
    """Measure the import of a module from an artifact with bytecode, and from a copy without it."""
    artifact, runtime = places
    with tempfile.TemporaryDirectory() as place:
        without = Path(place) / "without"
        shutil.copytree(artifact, without, ignore=shutil.ignore_patterns("__pycache__"))
        times = [(_run(places, module).imported, _run([without, runtime], module).imported) for _ in range(rounds)]
    quick, slow = (statistics.median(column) for column in zip(*times, strict=True))
    yield Figure(f"{name}: import with bytecode", quick, "s")
    yield Figure(f"{name}: import without", slow, "s")
    yield Figure(f"{name}: without / with", slow / quick)
