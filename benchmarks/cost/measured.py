"""What the model takes from docs/figures.md: how long an event takes in a Lambda function, and in Postgres."""

import math
from itertools import pairwise
from pathlib import Path
from typing import Final

from benchmarks.cost.assumptions import VCPU_MB
from benchmarks.drain.report import SPEED_HEADING, USAGE_HEADING
from benchmarks.figures import read_table

FIGURES: Final = Path(__file__).parents[2] / "docs" / "figures.md"
PLACE: Final = "1 ms a trip"
"""The place of the comparison that is like a database in another zone."""

Curve = dict[int, float]
"""A figure by the records of an event."""


class Measured:
    """The times of the contenders.

    Args:
        page: the page of the figures.
    """

    def __init__(self, page: str) -> None:
        self._elapsed: dict[str, Curve] = {}
        self._client: dict[str, Curve] = {}
        self._server: dict[str, Curve] = {}
        (_, *names), *body = read_table(page, SPEED_HEADING + PLACE)
        for name, column in zip(names, zip(*(row[1:] for row in body), strict=True), strict=True):
            sizes = [_number(row[0]) for row in body]
            self._elapsed[name] = {
                int(size): size / _number(rate) for size, rate in zip(sizes, column, strict=True) if rate
            }
        for size, name, client, server, *_ in read_table(page, USAGE_HEADING)[1:]:
            self._client.setdefault(name, {})[int(_number(size))] = _number(client) / 1e6
            self._server.setdefault(name, {})[int(_number(size))] = _number(server) / 1e6

    def seconds(self, contender: str, records: float, memory: int) -> float:
        """Return how long a contender takes for an event in a function of some memory.

        It is the elapsed time with one whole processor. With a part of one, the processor time of the client takes
        as much longer.

        Args:
            contender: the name in the tables.
            records: the records of the event, on average.
            memory: the memory of the function, in MB.
        """
        client = records * between(self._client[contender], records)
        return between(self._elapsed[contender], records) + client * (VCPU_MB / memory - 1)

    def server_seconds(self, contender: str, records: float) -> float:
        """Return the processor time of Postgres for one record in an event of some records."""
        return between(self._server[contender], records)


def between(curve: Curve, records: float) -> float:
    """Return a figure between two measured sizes, on a straight line between their logarithms."""
    for (below, first), (above, last) in pairwise(sorted(curve.items())):
        if below <= records <= above:
            part = math.log(records / below) / math.log(above / below)
            return first * math.exp(part * math.log(last / first))
    message = f"no event of {records:g} records was measured"
    raise ValueError(message)


def _number(cell: str) -> float:
    return float(cell.replace(",", ""))
