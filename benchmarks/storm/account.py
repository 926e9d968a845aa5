"""The account of a storm: what the users were answered, held against the rows that are there."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, Final
from uuid import UUID

from benchmarks.emit.rounds import quantile
from benchmarks.storm.model import Answer

SPAN_SECONDS: Final = 2
"""The connections over time are the most within each span of this length."""


@dataclass(frozen=True, slots=True)
class Account:
    """What came of one storm.

    Attributes:
        requests: how many requests there were.
        reasons: how many failed, by reason.
        p50: the median of the seconds that a user waited for an answer of success; 0 if there is none.
        p99: its 99th percentile.
        row_p99: the 99th percentile of the seconds from an answer of success to its row; 0 if the row was first.
        lost: requests that were answered with success, and have no row.
        twice: requests that have more than one row.
        despite: requests that were answered as failed, and have a row.
        most: the most connections to Postgres at once.
        budget: the connections that there may be; None if nothing but Postgres bounds them.
        samples: how often the connections were counted.
        connections: the most connections in each span of `SPAN_SECONDS` while requests were sent; None without a
            sample.
        last_answer: when the last user was answered, in seconds after the start.
        last_row: when the last row was written, in seconds after the start.
        outage: when Postgres went down and was up again, in seconds after the start; None without a restart.
    """

    requests: int
    reasons: Mapping[str, int]
    p50: float
    p99: float
    row_p99: float
    lost: int
    twice: int
    despite: int
    most: int
    budget: int | None
    samples: int
    connections: Sequence[int | None]
    last_answer: float
    last_row: float
    outage: tuple[float, float] | None

    @property
    def failed(self) -> int:
        """How many requests failed."""
        return sum(self.reasons.values())

    def as_json(self) -> dict[str, Any]:
        """Return all of it."""
        return {name: getattr(self, name) for name in (*self.__slots__, "failed")}


def take_account(
    answers: Sequence[Answer],
    rows: Sequence[tuple[UUID, float]],
    samples: Sequence[tuple[float, int]],
    *,
    seconds: float,
    budget: int | None,
    outage: tuple[float, float] | None,
) -> Account:
    """Hold the answers against the rows.

    Args:
        answers: all answers.
        rows: the request's id of each row in the table, and when it was written.
        samples: the connections to Postgres, each with its time.
        seconds: for how long requests were sent.
        budget: the connections that there may be; None if nothing but Postgres bounds them.
        outage: when Postgres went down and was up again; None without a restart.

    Raises:
        AssertionError: there is a row that nobody asked for.
    """
    found = Counter(id_ for id_, _ in rows)
    answered = {answer.id: answer.at + answer.seconds for answer in answers}
    succeeded = {answer.id for answer in answers if answer.error is None}
    waits = [answer.seconds for answer in answers if answer.error is None]
    failed = answered.keys() - succeeded
    assert found.keys() <= answered.keys(), "there are rows that nobody asked for"
    return Account(
        requests=len(answers),
        reasons=dict(Counter(answer.error for answer in answers if answer.error is not None).most_common()),
        p50=_quantile(waits, 0.5),
        p99=_quantile(waits, 0.99),
        row_p99=_quantile([max(0.0, at - answered[id_]) for id_, at in rows if id_ in succeeded], 0.99),
        lost=len(succeeded - found.keys()),
        twice=sum(count > 1 for count in found.values()),
        despite=len(failed & found.keys()),
        most=max((connections for _, connections in samples), default=0),
        budget=budget,
        samples=len(samples),
        connections=_spans(samples, seconds),
        last_answer=max(answered.values()),
        last_row=max((at for _, at in rows), default=0.0),
        outage=outage,
    )


def _quantile(seconds: Sequence[float], at: float) -> float:
    return quantile(seconds, at) if seconds else 0.0


def _spans(samples: Iterable[tuple[float, int]], seconds: float) -> list[int | None]:
    """Return the most connections in each span, while requests were sent."""
    most: dict[int, int] = {}
    for at, connections in samples:
        span = int(at // SPAN_SECONDS)
        most[span] = max(most.get(span, 0), connections)
    return [most.get(span) for span in range(ceil(seconds / SPAN_SECONDS))]
