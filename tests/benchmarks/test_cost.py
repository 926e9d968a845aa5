"""What a million writes cost: the arithmetic, held to cases that were computed by hand."""

import math

import pytest

from benchmarks.cost.__main__ import PAGE
from benchmarks.cost.measured import Measured, between
from benchmarks.cost.model import (
    Batches,
    Load,
    busy,
    chunks,
    direct,
    dynamodb,
    empty_receives,
    instance_usd,
    lambda_usd,
    logs_usd,
    penstock,
)
from benchmarks.cost.page import make_page

FIGURES = """\
# Figures of the drain

## Records per second, 1 ms a trip

| records in an event | penstock | powertools | bulk |
| ---: | ---: | ---: | ---: |
| 1 | 100 | 100 | 200 |
| 100 | 10,000 |  | 10,000 |
| 1,000 | 20,000 |  | 20,000 |

## What a million records cost

| records in an event | contender | client, processor s | server, processor s | WAL, MiB |
| ---: | ---: | ---: | ---: | ---: |
| 1 | penstock | 1,000.0 | 500.0 | 400 |
| 100 | penstock | 10.0 | 10.0 | 400 |
| 1,000 | penstock | 10.0 | 10.0 | 400 |
| 1 | bulk | 1,000.0 | 200.0 | 200 |
| 100 | bulk | 10.0 | 10.0 | 200 |
| 1,000 | bulk | 10.0 | 10.0 | 200 |
"""
MEASURED = Measured(FIGURES)


def test_a_function_is_billed_by_invocation_and_gb_second() -> None:
    """A million invocations of 10 ms with 512 MB are 5,000 GB-seconds: $0.20 + $0.0667."""
    assert lambda_usd(1_000_000, 0.01, 512) == pytest.approx(0.2 + 5000 * 0.0000133334)


def test_logs_are_billed_by_gb() -> None:
    """2 GB of log cost $1."""
    assert logs_usd(2 * 2**30) == pytest.approx(1)


@pytest.mark.parametrize(("size", "billed"), [(0, 1), (1, 1), (65_536, 1), (65_537, 2), (262_144, 4)])
def test_sqs_bills_each_64_kb(size: int, billed: int) -> None:
    """A call counts as often as it has chunks of 64 KB, and at least once."""
    assert chunks(size) == billed


def test_an_idle_poller_asks_every_20_seconds() -> None:
    """Without messages a poller gets nothing 0.05 times a second; with one a second, almost never."""
    assert empty_receives(1e-9) == pytest.approx(0.05)
    assert empty_receives(0.05) == pytest.approx(0.05 * math.exp(-1) / (1 - math.exp(-1)))
    assert empty_receives(1) < 1e-8


def test_batches_of_a_high_rate() -> None:
    """At 1,000 writes/s each of 5 pollers gets 200/s: 201 messages a batch, 2 a receive, 10 a delete."""
    batches = Batches(Load(1000, 1))
    assert batches.messages == 201
    assert batches.invocations == pytest.approx(1_000_000 / 201)
    assert batches.calls == pytest.approx(500_000 + 100_000)


def test_batches_of_a_low_rate() -> None:
    """At 1 write/s a batch has 1.2 messages; each receive has one, and some of the polls come back empty."""
    batches = Batches(Load(1, 1))
    empty = 5 * 0.2 * math.exp(-4) / (1 - math.exp(-4)) * 1_000_000
    assert batches.messages == pytest.approx(1.2)
    assert batches.calls == pytest.approx(1_000_000 + 1_000_000 / 1.2 + empty)


def test_packs_are_received_whole() -> None:
    """4,000 packs of 250 at 1,000 writes/s: a receive and a delete for each, of one chunk each."""
    batches = Batches(Load(1000, 250, packed=True))
    assert batches.messages == pytest.approx(1.8)
    assert batches.calls == pytest.approx(4000 + 4000 / 1.8, rel=1e-3)


def test_a_batch_is_never_larger_than_the_mapping_allows() -> None:
    """At 100,000 writes/s a batch has 1,000 messages, not 20,001, and a receive 10."""
    batches = Batches(Load(100_000, 1))
    assert batches.messages == 1000
    assert batches.calls == pytest.approx(100_000 + 100_000)


def test_a_duration_between_two_sizes_is_on_the_logarithms() -> None:
    """Halfway between 1 and 100 records is 10; there the figure is the geometric mean of both."""
    assert between({1: 1.0, 100: 4.0}, 10) == pytest.approx(2)
    assert between({1: 1.0, 100: 4.0}, 100) == pytest.approx(4)


@pytest.mark.parametrize("records", [0.5, 1001])
def test_a_size_that_was_not_measured_has_no_duration(records: float) -> None:
    """Outside of the measured sizes nothing is guessed."""
    with pytest.raises(ValueError, match="was measured"):
        MEASURED.seconds("penstock", records, 1769)


def test_a_part_of_a_processor_makes_the_client_slower() -> None:
    """100 records take 10 ms, 1 ms of it in the client: with half a vCPU that millisecond is two."""
    assert MEASURED.seconds("penstock", 100, 1769) == pytest.approx(0.010)
    assert MEASURED.seconds("penstock", 100, 1769 // 2) == pytest.approx(0.011, rel=1e-3)


def test_single_writes_to_dynamodb() -> None:
    """A million PutItem: $1 of API, 10 ms of 512 MB each, 300 bytes of log each, and $0.625 of write units."""
    cost = dynamodb(Load(100, 1))
    assert cost.api == pytest.approx(1)
    assert cost.functions == pytest.approx(0.2 + 0.01 * 0.5 * 13.3334)
    assert cost.watching == pytest.approx(0.3e9 / 2**30 * 0.5)
    assert cost.database == pytest.approx(0.625)
    assert cost.total == pytest.approx(1 + 0.2 + 0.066667 + 0.139698 + 0.625)


def test_large_requests_to_dynamodb_are_split() -> None:
    """A request of 250 items makes 10 calls of 25, and still costs a write unit for each."""
    cost = dynamodb(Load(100, 250))
    assert cost.functions == pytest.approx(4000 * (0.2e-6 + 0.055 * 0.5 * 13.3334e-6))
    assert cost.database == pytest.approx(0.625)


def test_direct_writes() -> None:
    """At 100 writes/s a million takes 2.78 hours of two vCPUs of RDS Proxy; each write takes 5 ms."""
    cost = direct(Load(100, 1), MEASURED)
    client = 0.001 * (1769 / 512 - 1)
    assert cost.database == pytest.approx(10_000 / 3600 * 2 * 0.015)
    assert cost.functions == pytest.approx(0.2 + (0.005 + 0.005 + client) * 0.5 * 13.3334)


def test_penstock_with_one_write_a_request() -> None:
    """At 1,000 writes/s: sends, receives by two and deletes by ten make 1.6 million calls of SQS, $0.64."""
    cost = penstock(Load(1000, 1), MEASURED)
    assert cost.api == pytest.approx(1)
    assert cost.queue == pytest.approx(0.64)
    assert cost.functions == pytest.approx(0.2 + 0.0151 * 0.5 * 13.3334)
    logs = 1_000_000 * 700 + 1_000_000 / 201 * 1500 + 1000 / 60 * 700
    assert cost.watching == pytest.approx(logs / 2**30 * 0.5 + 11 * 0.3 * 1000 / (730 * 3600))
    assert cost.database == 0


def test_penstock_with_ten_messages_a_call() -> None:
    """Ten writes of a request are one call to send: 100,000 in place of a million."""
    single, ten = (penstock(Load(1000, size), MEASURED) for size in (1, 10))
    assert single.queue - ten.queue == pytest.approx(900_000 * 0.4e-6)


def test_penstock_with_packs() -> None:
    """250 writes in a pack are one call to send, to receive, and about half of one to delete."""
    cost = penstock(Load(1000, 250, packed=True), MEASURED)
    assert cost.queue == pytest.approx((4000 + 4000 + 4000 / 1.8) * 0.4e-6, rel=1e-3)


def test_the_database_is_billed_by_the_hour() -> None:
    """At 1 write/s a million takes 278 hours of an instance of $0.065."""
    assert instance_usd(Load(1, 1)) == pytest.approx(1_000_000 / 3600 * 0.065)


def test_postgres_is_less_busy_with_batches() -> None:
    """At 1,000 writes/s single transactions take 20 % of a processor, and batches of 201 records 1 %."""
    assert busy(Load(1000, 1), MEASURED) == pytest.approx({"Penstock": 0.01, "RDS Proxy": 0.2})


def test_the_committed_page_is_that_of_the_figures() -> None:
    """docs/cost.md is what `make cost` writes from docs/figures.md."""
    assert PAGE.read_text() == make_page(), "run `make cost`"
