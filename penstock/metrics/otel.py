"""Metrics for OpenTelemetry, if the service has set it up. Only its API is used, and it is not imported here.

A service that uses OpenTelemetry has imported its API already.
"""

import sys
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

from penstock.metrics.names import METRICS, NAMESPACE, Instrument, Metric

_WRITE: Final = {Instrument.COUNTER: "add", Instrument.HISTOGRAM: "record", Instrument.GAUGE: "set"}


def find_provider() -> Any:
    """Return the provider of meters that the service has set; None if there is none."""
    api = sys.modules.get("opentelemetry.metrics")
    provider = api.get_meter_provider() if api else None
    # The API's own stand-in, until a provider is set.
    return None if type(provider).__name__ in {"_ProxyMeterProvider", "NoOpMeterProvider"} else provider


def record(metric: Metric, values: Sequence[float], label: str | None, more: Mapping[str, str]) -> None:
    """Record values, unless there is no OpenTelemetry."""
    provider = find_provider()
    if provider is None:
        return
    attributes = {**metric.attributes, **more}
    if metric.attribute and label:
        attributes[metric.attribute] = label
    write = getattr(_instrument(provider, metric.otel), _WRITE[metric.instrument])
    for value in values:
        write(value, attributes)


@cache
def _instrument(provider: Any, name: str) -> Any:
    sharing = [metric for metric in METRICS if metric.otel == name]
    metric, meter = sharing[0], provider.get_meter(NAMESPACE.lower())
    # Several metrics of CloudWatch may be one instrument, which has one description.
    named = {"name": name, "unit": metric.unit, "description": metric.description if len(sharing) == 1 else ""}
    match metric.instrument:
        case Instrument.COUNTER:
            return meter.create_counter(**named)
        case Instrument.HISTOGRAM:
            return meter.create_histogram(**named, explicit_bucket_boundaries_advisory=metric.buckets)
        case Instrument.GAUGE:
            return meter.create_gauge(**named)
