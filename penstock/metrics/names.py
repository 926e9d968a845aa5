"""Every metric, with its name in CloudWatch and in OpenTelemetry. No other module has such a name.

The names `messaging.*` and `error.type` are those of the semantic conventions of OpenTelemetry, version 1.44
("Messaging metrics", status "Development"). A convention that changes is changed here.

CloudWatch does not add up over dimensions. So a metric with a label is there twice: in all, and by its label.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

NAMESPACE: Final = "Penstock"
"""The namespace in CloudWatch, and the name of the meter in OpenTelemetry in lower case."""

SERVICE: Final = "service"
FUNCTION: Final = "function"
"""The dimensions that each metric has in CloudWatch. In OpenTelemetry they are attributes of the resource."""

OTHER: Final = "other"
"""The label of what is not on the list: a kind that is not declared, a fault that is not in the fault tree."""

QUEUE: Final = "messaging.destination.name"
ERROR: Final = "error.type"
"""Attributes in OpenTelemetry that CloudWatch does not have as dimensions."""

_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
"""The buckets of durations in the semantic conventions."""
_LAG_SECONDS: Final = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 21_600, 86_400)
_SIZES: Final = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000)
_ROUND_TRIPS: Final = (1, 2, 3, 5, 10, 25, 50, 100, 250, 500, 1000)


class Instrument(Enum):
    """How values are added up."""

    COUNTER = "counter"
    HISTOGRAM = "histogram"
    GAUGE = "gauge"


@dataclass(frozen=True, slots=True, eq=False)
class Metric:
    """One metric. There is one object of each.

    Attributes:
        name: its name in CloudWatch; None if it is not there.
        otel: its name in OpenTelemetry.
        description: what it measures.
        unit: its unit in OpenTelemetry (UCUM): seconds, or a count.
        instrument: how values are added up.
        label: the dimension in CloudWatch by which it is told apart, besides service and function; None if it is
            not.
        attribute: the name of that label in OpenTelemetry.
        attributes: the attributes in OpenTelemetry that are always the same.
        buckets: the boundaries of a histogram in OpenTelemetry.
    """

    name: str | None
    otel: str
    description: str
    unit: str
    instrument: Instrument = Instrument.COUNTER
    label: str | None = None
    attribute: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    buckets: tuple[float, ...] = ()

    @property
    def cloudwatch_unit(self) -> str:
        """Its unit in CloudWatch."""
        return "Seconds" if self.unit == "s" else "Count"


def _messaging(operation: str) -> dict[str, str]:
    return {
        "messaging.system": "aws_sqs",
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
    }


# The producer.
EMITTED: Final = Metric(
    "Emitted",
    "messaging.client.sent.messages",
    "Intents that SQS has acknowledged.",
    "{message}",
    label="kind",
    attribute="penstock.kind",
    attributes=_messaging("send"),
)
NOT_ACKNOWLEDGED: Final = Metric(
    "NotAcknowledged",
    "messaging.client.sent.messages",
    "Intents that SQS has not acknowledged: their callers got an error.",
    "{message}",
    label="kind",
    attribute="penstock.kind",
    attributes=_messaging("send") | {ERROR: "NotAcknowledged"},
)
EMIT_DURATION: Final = Metric(
    "EmitDuration",
    "messaging.client.operation.duration",
    "The time that SQS, and S3 for large intents, took to acknowledge the intents of one call.",
    "s",
    Instrument.HISTOGRAM,
    attributes=_messaging("send"),
    buckets=_SECONDS,
)

# The drain.
BATCH_SIZE: Final = Metric(
    "BatchSize", "penstock.batch.size", "Messages of a batch.", "{message}", Instrument.HISTOGRAM, buckets=_SIZES
)
CONSUMED: Final = Metric(
    None,  # In CloudWatch it is the sum of BatchSize.
    "messaging.client.consumed.messages",
    "Messages that the drain got.",
    "{message}",
    attributes=_messaging("process"),
)
BATCH_DURATION: Final = Metric(
    "BatchDuration",
    "messaging.process.duration",
    "The time from the beginning of an invocation of the drain to its answer.",
    "s",
    Instrument.HISTOGRAM,
    attributes=_messaging("process"),
    buckets=_SECONDS,
)
LAG: Final = Metric(
    "Lag",
    "penstock.lag",
    "The time from SQS's acknowledgement of an intent to its commit in Postgres.",
    "s",
    Instrument.HISTOGRAM,
    buckets=_LAG_SECONDS,
)


def _outcome(name: str, outcome: str, description: str) -> Metric:
    named = {"penstock.outcome": outcome}
    return Metric(
        name,
        "penstock.intents",
        description,
        "{intent}",
        label="kind",
        attribute="penstock.kind",
        attributes=named,
    )


APPLIED: Final = _outcome("Applied", "applied", "Intents that were written.")
STALE: Final = _outcome("Stale", "stale", "Intents that came after a newer one.")
DEAD: Final = _outcome("Dead", "dead", "Intents that were dead-lettered.")
DUPLICATE: Final = _outcome("Duplicate", "duplicate", "Messages of intents that had taken effect before.")
EXPIRED: Final = _outcome("Expired", "expired", "Intents that were taken up after their time.")
HELD: Final = _outcome("Held", "held", "Messages that were parked, because their kind is held.")
HANDED_BACK: Final = Metric(
    "HandedBack",
    "penstock.handed_back",
    "Messages that went back to the queue: their intents are pending. One counts each time.",
    "{message}",
    label="cause",
    attribute="penstock.cause",
)
ROUND_TRIPS: Final = Metric(
    "RoundTrips",
    "penstock.round_trips",
    "How often a batch waited for Postgres. A pipeline is one wait, and so is a COMMIT.",
    "{round_trip}",
    Instrument.HISTOGRAM,
    buckets=_ROUND_TRIPS,
)
CONNECTIONS: Final = Metric(
    "Connections",
    "penstock.connections",
    "The sessions that the functions of the service hold in Postgres.",
    "{connection}",
    Instrument.GAUGE,
)

# The breaker, the probe and its sweep.
BREAKER_TRANSITIONS: Final = Metric(
    "BreakerTransitions",
    "penstock.breaker.transitions",
    "Changes of the breaker.",
    "{transition}",
    label="state",
    attribute="penstock.breaker.state",
)
BREAKER_OPEN: Final = Metric(
    "BreakerOpen",
    "penstock.breaker.open",
    "1 if a run of the probe left the breaker open, else 0.",
    "1",
    Instrument.GAUGE,
)
HEALTH_CHECKS: Final = Metric(
    "HealthChecks",
    "penstock.health_checks",
    "Checks of the probe whether the database accepts a write: `well` or `unwell`.",
    "{check}",
    label="result",
    attribute="penstock.result",
)
SWEPT: Final = Metric(
    "Swept",
    "penstock.swept",
    "Messages that the probe dead-lettered near the end of their retention, while the drain was off.",
    "{message}",
)

# Prune.
ROTATIONS: Final = Metric(
    "Rotations",
    "penstock.rotations",
    "Runs of prune, by what became of the rotation of the ledger: `rotated`, `not-due` or `postponed`.",
    "{run}",
    label="result",
    attribute="penstock.result",
)
TOMBSTONES_DELETED: Final = Metric(
    "TombstonesDeleted", "penstock.tombstones.deleted", "Old tombstones that were deleted.", "{row}"
)
PRUNE_DURATION: Final = Metric(
    "PruneDuration", "penstock.prune.duration", "The time of a run.", "s", Instrument.HISTOGRAM, buckets=_SECONDS
)

METRICS: Final = tuple(value for value in [*globals().values()] if isinstance(value, Metric))
"""All of them, in the order of docs/metrics.md."""
