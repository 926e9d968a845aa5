"""What is compared: functions of Penstock beside one that is written by hand, with the same first event."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.emit.rounds import request
from penstock.intents import new_id, sign
from penstock.testing import http_event, sqs_event
from shared.intents import StockAdjusted

KEY: Final = "k" * 32
"""The key of the receipts."""
LETTERS: Final = 10
"""The number of dead letters on the queue."""

Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Functions that answer the same event.

    Attributes:
        artifact: the artifact with their libraries.
        by_hand: the module of the function without a framework.
        functions: the modules of Penstock's functions, by the name in the figures.
        event: makes an event that no function has seen; None to measure the import alone.
        answer: what the answer contains.
    """

    artifact: str
    by_hand: str
    functions: Mapping[str, str]
    event: Callable[[], Event] | None = None
    answer: Mapping[str, Any] | None = None


def _batch() -> Event:
    return sqs_event([StockAdjusted(sku="A1", delta=-2)])


def _question() -> Event:
    return http_event("GET /writes/{receipt}", path={"receipt": str(sign(new_id(), KEY))})


def _count() -> Event:
    return {"action": "stats", "all": True}


COMPARISONS: Final = (
    Comparison(
        "producer",
        "functions.bare_producer",
        {"producer with emit": "functions.emit_alone", "producer with HttpApi": "producer.stock"},
        request,
        {"statusCode": 202},
    ),
    Comparison(
        "consumer",
        "functions.bare_drain",
        {"drain": "penstock.functions.drain"},
        _batch,
        {"batchItemFailures": []},
    ),
    # Nobody waits for the probe, which runs once a minute.
    Comparison("consumer", "functions.bare_drain", {"probe": "penstock.functions.probe"}),
    Comparison(
        "consumer",
        "functions.bare_outcome",
        {"writes": "penstock.functions.writes"},
        _question,
        {"statusCode": 200},
    ),
    Comparison(
        "consumer",
        "functions.bare_dead_letters",
        {"dead-letters": "penstock.functions.dead_letters"},
        _count,
        {"looked_at": LETTERS},
    ),
)
