"""Timing for `make bench-emit`: in every round, each contender runs in turn."""

import gc
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Run = Callable[[], object]
Samples = Mapping[str, Sequence[float]]

WARM_UP = 2
"""The number of rounds that are run first and not counted."""


@dataclass(frozen=True, slots=True)
class TimingTable:
    """The times of several contenders.

    Attributes:
        title: what was timed.
        samples: the times by contender, in seconds.
    """

    title: str
    samples: Samples

    def ratio(self, one: str, other: str, *, at: float = 0.5) -> float:
        """Return the ratio of the time of one contender to that of another, at a quantile."""
        return quantile(self.samples[one], at) / quantile(self.samples[other], at)

    def as_json(self) -> dict[str, Any]:
        """Return the figures of every contender, in seconds."""
        return {name: _figures(seconds) for name, seconds in self.samples.items()}


def quantile(seconds: Sequence[float], at: float) -> float:
    """Return the sample at a quantile."""
    return sorted(seconds)[min(len(seconds) - 1, int(at * len(seconds)))]


def interleave(runs: Mapping[str, Run], *, rounds: int, warm_up: int = WARM_UP, collect: bool = True) -> Samples:
    """Run every contender in each round (A B A B ...): other load on the machine affects all equally.

    Args:
        runs: the calls to time, by name.
        rounds: the number of counted rounds.
        warm_up: the number of rounds before these.
        collect: whether each turn starts without garbage.
    """
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(warm_up + rounds):
        for name, run in runs.items():
            if collect:
                gc.collect()
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    return {name: found[warm_up:] for name, found in seconds.items()}


def time_in_processes(
    codes: Mapping[str, str], *, rounds: int, clock: str = "perf_counter", warm_up: int = 1
) -> Samples:
    """Time pieces of code in turn, each in a separate process.

    Args:
        codes: the code to time, by name.
        rounds: the number of counted rounds.
        clock: the clock function of `time`; `process_time` excludes other load on the machine.
        warm_up: the number of rounds before these.
    """
    seconds: dict[str, list[float]] = {name: [] for name in codes}
    for _ in range(warm_up + rounds):
        for name, code in codes.items():
            seconds[name].append(_seconds(code, clock))
    return {name: found[warm_up:] for name, found in seconds.items()}


def _seconds(code: str, clock: str) -> float:
    lines = f"from time import {clock}; start = {clock}()\n{code}\nprint({clock}() - start)"
    done = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, check=True)
    return float(done.stdout)


def first_answer(module: str, environment: Mapping[str, str]) -> str:
    """Return code that starts a function: its import and its answer to a first request.

    Args:
        module: the module with the handler.
        environment: the environment variables of the function.
    """
    setup = f"import os; os.environ.update({dict(environment)!r})"
    check = f"assert handler({request()!r}, None)['statusCode'] == 202"
    return f"{setup}\nfrom {module} import handler\n{check}"


def request(sku: str = "A1") -> dict[str, Any]:
    """Return the event of one request, as an HTTP API passes it."""
    path = f"/stock/{sku}/adjustments"
    return {
        "version": "2.0",
        "routeKey": "POST /stock/{sku}/adjustments",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"content-type": "application/json"},
        "pathParameters": {"sku": sku},
        "requestContext": {"http": {"method": "POST", "path": path}, "stage": "$default"},
        "body": json.dumps({"delta": -2}),
        "isBase64Encoded": False,
    }


def _figures(seconds: Sequence[float]) -> dict[str, Any]:
    return {
        "rounds": len(seconds),
        "fastest": min(seconds),
        "median": statistics.median(seconds),
        "p99": quantile(seconds, 0.99),
        "slowest": max(seconds),
    }
