"""What a million writes cost, in dollars, by what AWS bills.

All three designs have the same API in front of the same functions. They differ in what the function does:

- **Penstock**: it emits to SQS; the drain writes.
- **RDS Proxy**: it writes to Postgres itself, one transaction for each request, through RDS Proxy.
- **DynamoDB**: it writes to a table on demand.
"""

import math
from typing import NamedTuple

from benchmarks.cost import assumptions as assumed
from benchmarks.cost import prices
from benchmarks.cost.measured import Measured

WRITES = 1_000_000
_GB_BYTES = 2**30
_GB_MB = 1024


class Load(NamedTuple):
    """A steady load.

    Attributes:
        rate: writes per second.
        per_request: writes in one request.
        packed: whether the intents of a request are one message; otherwise each is one.
    """

    rate: float
    per_request: int
    packed: bool = False

    @property
    def seconds(self) -> float:
        """How long a million writes take."""
        return WRITES / self.rate

    @property
    def requests(self) -> float:
        """The requests of a million writes."""
        return WRITES / self.per_request

    @property
    def per_message(self) -> int:
        """The intents of one message."""
        return self.per_request if self.packed else 1

    @property
    def message_bytes(self) -> int:
        """The size of one message."""
        return self.per_message * assumed.PACKED_BYTES if self.packed else assumed.MESSAGE_BYTES


class Cost(NamedTuple):
    """What a million writes cost, in dollars, without the database instance.

    Attributes:
        api: API Gateway.
        functions: Lambda, of the functions that answer requests.
        drain: Lambda, of the drain and the probe.
        queue: SQS.
        watching: CloudWatch, logs and metrics.
        database: RDS Proxy, or DynamoDB.
    """

    api: float
    functions: float
    drain: float = 0
    queue: float = 0
    watching: float = 0
    database: float = 0

    @property
    def total(self) -> float:
        """The sum."""
        return sum(self)


def penstock(load: Load, measured: Measured) -> Cost:
    """Return what Penstock costs."""
    calls = math.ceil(load.per_request / load.per_message / assumed.CALL_MESSAGES)
    answer = assumed.HANDLER_SECONDS + calls * assumed.SQS_CALL_SECONDS + load.per_request * assumed.EMIT_SECONDS
    batches = Batches(load)
    drained = measured.seconds("penstock", batches.messages * load.per_message, assumed.DRAIN_MB)
    probes = load.seconds / 60
    logs = (
        load.requests * (assumed.PLATFORM_LOG_BYTES + assumed.REQUEST_LOG_BYTES)
        + batches.invocations * (assumed.PLATFORM_LOG_BYTES + assumed.BATCH_LOG_BYTES)
        + probes * (assumed.PLATFORM_LOG_BYTES + assumed.REQUEST_LOG_BYTES)
    )
    metrics = assumed.METRICS * prices.METRIC_MONTH.usd * load.seconds / assumed.SECONDS_A_MONTH
    sent = load.requests * calls * chunks(load.per_request / load.per_message / calls * load.message_bytes)
    return Cost(
        api=load.requests * prices.API_REQUEST.usd,
        functions=lambda_usd(load.requests, answer, assumed.FUNCTION_MB),
        drain=lambda_usd(batches.invocations, drained, assumed.DRAIN_MB)
        + lambda_usd(probes, assumed.PROBE_SECONDS, assumed.FUNCTION_MB),
        queue=(sent + batches.calls) * prices.SQS_REQUEST.usd,
        watching=logs_usd(logs) + metrics,
    )


def direct(load: Load, measured: Measured) -> Cost:
    """Return what direct writes through RDS Proxy cost. The proxy itself takes no time, which favours it."""
    answer = assumed.HANDLER_SECONDS + measured.seconds("bulk", load.per_request, assumed.FUNCTION_MB)
    return Cost(
        api=load.requests * prices.API_REQUEST.usd,
        functions=lambda_usd(load.requests, answer, assumed.FUNCTION_MB),
        watching=logs_usd(load.requests * assumed.PLATFORM_LOG_BYTES),
        database=load.seconds / 3600 * assumed.PROXY_VCPUS * prices.PROXY_VCPU_HOUR.usd,
    )


def dynamodb(load: Load) -> Cost:
    """Return what writes to DynamoDB cost: items of up to 1 KB, without an index, not transactional."""
    calls = math.ceil(load.per_request / assumed.DYNAMODB_BATCH)
    answer = assumed.HANDLER_SECONDS + calls * assumed.DYNAMODB_CALL_SECONDS
    return Cost(
        api=load.requests * prices.API_REQUEST.usd,
        functions=lambda_usd(load.requests, answer, assumed.FUNCTION_MB),
        watching=logs_usd(load.requests * assumed.PLATFORM_LOG_BYTES),
        database=WRITES * prices.WRITE_UNIT.usd,
    )


def instance_usd(load: Load) -> float:
    """Return what the database costs during a million writes; it is the same for both ways to Postgres."""
    return load.seconds / 3600 * prices.DATABASE_HOUR.usd


def busy(load: Load, measured: Measured) -> dict[str, float]:
    """Return the part of a processor that Postgres needs for each way to it."""
    drained = Batches(load).messages * load.per_message
    return {
        "Penstock": load.rate * measured.server_seconds("penstock", drained),
        "RDS Proxy": load.rate * measured.server_seconds("bulk", load.per_request),
    }


class Batches:
    """How the event source mapping reads a million writes.

    Each of its pollers gets the same part of the messages. It waits for the first one, collects for the window,
    and invokes the drain.

    Attributes:
        messages: messages of one invocation, on average.
        invocations: invocations of the drain.
        calls: calls of SQS, each counted as often as it has chunks of 64 KB.
    """

    def __init__(self, load: Load) -> None:
        rate = load.rate / load.per_message
        messages = WRITES / load.per_message
        each = rate / assumed.POLLERS
        self.messages = min(assumed.BATCH_MESSAGES, 1 + each * assumed.WINDOW_SECONDS)
        self.invocations = messages / self.messages
        received = min(assumed.CALL_MESSAGES, max(1, each * assumed.RECEIVE_SECONDS))
        receives = messages / received * chunks(received * load.message_bytes)
        deletes = messages / min(assumed.CALL_MESSAGES, self.messages)
        self.calls = receives + deletes + empty_receives(each) * assumed.POLLERS * load.seconds


def empty_receives(rate: float) -> float:
    """Return how often in a second one poller gets nothing, with messages that come at random.

    A long poll ends with the first message, or empty after its whole time.

    Args:
        rate: messages per second of this poller.
    """
    nothing = math.exp(-rate * assumed.LONG_POLL_SECONDS)
    return rate * nothing / (1 - nothing)


def chunks(size: float) -> int:
    """Return how many calls SQS bills for one of a size in bytes."""
    return max(1, math.ceil(size / assumed.CHUNK_BYTES))


def lambda_usd(invocations: float, seconds: float, memory: int) -> float:
    """Return what invocations of some seconds each cost, in a function of some MB."""
    return invocations * (prices.INVOCATION.usd + seconds * memory / _GB_MB * prices.GB_SECOND.usd)


def logs_usd(size: float) -> float:
    """Return what bytes of log cost."""
    return size / _GB_BYTES * prices.LOG_GB.usd
