"""The page of the costs, docs/cost.md, from its template."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from benchmarks.cost import assumptions
from benchmarks.cost.measured import FIGURES, PLACE, Measured
from benchmarks.cost.model import Cost, Load, busy, direct, dynamodb, instance_usd, penstock
from benchmarks.cost.prices import PRICES
from benchmarks.figures import markdown_table

RATES: Final = (1, 10, 100, 1000)
SHAPES: Final = ((1, False), (10, False), (250, True))
"""Writes of a request, and whether Penstock packs them into one message."""
SHOWN_RATE: Final = 100
"""The rate whose costs are taken apart."""

BUSY_RATE: Final = 1000
"""The rate at which the page says how much of a processor Postgres needs."""


def make_page(figures: str | None = None) -> str:
    """Return the page.

    Args:
        figures: the page of the drain's figures; by default docs/figures.md.
    """
    measured = Measured(FIGURES.read_text() if figures is None else figures)
    # The page is Markdown: nothing is escaped.
    environment = Environment(  # noqa: S701
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("page.md.jinja").render(
        assumed=assumptions,
        place=PLACE,
        prices=PRICES,
        shown_rate=SHOWN_RATE,
        busy_rate=BUSY_RATE,
        busy=busy(Load(BUSY_RATE, 1), measured),
        totals=markdown_table(_TOTAL_HEADS, _totals(measured)),
        parts=markdown_table(["", *_PART_HEADS], _parts(measured), rule=["---", *["---:"] * len(_PART_HEADS)]),
        answered=[(load.per_request, *_seconds(load, measured)) for load in _loads(SHOWN_RATE)],
    )


_TOTAL_HEADS: Final = (
    "writes a second",
    "writes a request",
    "Penstock",
    "RDS Proxy",
    "DynamoDB",
    "Postgres itself",
)
_PART_HEADS: Final = ("API", "functions", "drain", "SQS", "CloudWatch", "RDS Proxy or DynamoDB", "sum")


def _loads(rate: int) -> list[Load]:
    return [Load(rate, per_request, packed) for per_request, packed in SHAPES]


def _designs(load: Load, measured: Measured) -> dict[str, Cost]:
    return {
        "Penstock": penstock(load, measured),
        "RDS Proxy": direct(load, measured),
        "DynamoDB": dynamodb(load),
    }


def _totals(measured: Measured) -> Iterator[list[str]]:
    for rate in RATES:
        for load in _loads(rate):
            designs = _designs(load, measured).values()
            cells = [_usd(cost.total) for cost in designs]
            yield [f"{rate:,}", _shape(load), *cells, _usd(instance_usd(load))]


def _parts(measured: Measured) -> Iterator[list[str]]:
    for load in _loads(SHOWN_RATE):
        for name, cost in _designs(load, measured).items():
            yield [f"{name}, {load.per_request} a request", *map(_usd, cost), _usd(cost.total)]


def _shape(load: Load) -> str:
    return f"{load.per_request} packed" if load.packed else f"{load.per_request}"


def _seconds(load: Load, measured: Measured) -> tuple[float, float]:
    """Return how long a direct write of a request takes, and a drain of as many records."""
    return (
        measured.seconds("bulk", load.per_request, assumptions.FUNCTION_MB),
        measured.seconds("penstock", load.per_request, assumptions.DRAIN_MB),
    )


def _usd(amount: float) -> str:
    return f"{amount:,.3f}" if amount else ""
