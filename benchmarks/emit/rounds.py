"""What `make bench-emit` times: bursts, single requests, and imports, each contender in turn in every round."""

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
"""Rounds that are run like all others and not counted."""


@dataclass(frozen=True, slots=True)
class Table:
    """Times of several contenders.

    Attributes:
        title: what was timed.
        samples: by contender, in seconds.
    """

    title: str
    samples: Samples

    def ratio(self, one: str, other: str, *, at: float = 0.5) -> float:
        """Say how many times as long as the other one the first one took, at a quantile."""
        return quantile(self.samples[one], at) / quantile(self.samples[other], at)

    def as_json(self) -> dict[str, Any]:
        """Return every contender's figures, in seconds."""
        return {name: _figures(seconds) for name, seconds in self.samples.items()}


def quantile(seconds: Sequence[float], at: float) -> float:
    """Return the sample at a quantile."""
    return sorted(seconds)[min(len(seconds) - 1, int(at * len(seconds)))]


def interleave(runs: Mapping[str, Run], *, rounds: int, warm_up: int = WARM_UP, collect: bool = True) -> Samples:
    """Run every contender in each round: A B A B ..., so that whatever else the machine does hits all alike.

    Args:
        runs: what to time, by name.
        rounds: how many rounds are counted.
        warm_up: how many are run before that.
        collect: whether each turn starts with no garbage.
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


def alone(codes: Mapping[str, str], *, rounds: int, clock: str = "perf_counter", warm_up: int = 1) -> Samples:
    """Time pieces of code in turn, each in a process of its own.

    Args:
        codes: what to time, by name.
        rounds: how many rounds are counted.
        clock: which clock of `time` goes; `process_time` leaves out what else the machine does.
        warm_up: how many are run before that.
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
    """Return the code of a function's start: its import, and its answer to a first request."""
    told = f"import os; os.environ.update({dict(environment)!r})"
    asked = f"assert handler({request()!r}, None)['statusCode'] == 202"
    return f"{told}\nfrom {module} import handler\n{asked}"


def request(sku: str = "A1") -> dict[str, Any]:
    """Make the event of one request, as an HTTP API hands it over."""
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
