"""Metrics for CloudWatch: lines of its embedded metric format on standard output, which Lambda's log has.

CloudWatch reads them from the log ("Embedded metric format" in its user guide). A line has one value for each
dimension, so there is a line for the totals of an invocation, and one for each label that it met.
"""

import json
import os
import sys
from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from typing import Any

from penstock.metrics.names import FUNCTION, NAMESPACE, SERVICE, Instrument, Metric
from penstock.metrics.sample import sample

_Label = tuple[str, str] | None
_Values = dict[str, dict[str, Any]]


def lambda_function() -> str | None:
    """Return the name of the Lambda function that runs here. Elsewhere nobody reads metrics from the output."""
    return os.environ.get("AWS_LAMBDA_FUNCTION_NAME")


class Lines:
    """The values of one invocation, until they are printed."""

    def __init__(self, function: str) -> None:
        """Begin without values.

        Args:
            function: the name of the Lambda function.
        """
        self._function = function
        self._values: dict[_Label, _Values] = defaultdict(dict)

    def add(self, metric: Metric, values: Sequence[float], label: str | None) -> None:
        """Add values: to the totals and, if the metric has a label, to what has the same label."""
        labels: list[_Label] = [None]
        if metric.label and label:
            labels.append((metric.label, label))
        for one in labels if metric.name else ():
            _add(self._values[one], metric, values)

    def print(self) -> None:
        """Print one line for the totals and one for each label; nothing if there are no values."""
        for label, values in self._values.items():
            self._print(values, dict([label] if label else []))
        self._values.clear()

    def _print(self, values: _Values, label: dict[str, str]) -> None:
        service = os.environ.get("POWERTOOLS_SERVICE_NAME", "penstock")
        dimensions = {SERVICE: service, FUNCTION: self._function, **label}
        line = _provider().serialize_metric_set(values, dimensions, {})
        # Not `print`, which writes the end of the line by itself: threads may emit at the same time.
        sys.stdout.write(json.dumps(line, separators=(",", ":")) + "\n")


@cache
def _provider() -> Any:
    # A function that emits without Powertools' event handler has not imported it.
    from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import (  # noqa: PLC0415
        AmazonCloudWatchEMFProvider,
    )

    return AmazonCloudWatchEMFProvider(namespace=NAMESPACE)


def _add(known: _Values, metric: Metric, values: Sequence[float]) -> None:
    # In the form of Powertools' own `add_metric`, which formats all earlier values at each call, for its log.
    new = {"Unit": metric.cloudwatch_unit, "StorageResolution": 60, "Value": []}
    kept: list[float] = known.setdefault(str(metric.name), new)["Value"]
    match metric.instrument:
        case Instrument.COUNTER:
            kept[:] = [sum(kept) + sum(values)]
        case Instrument.HISTOGRAM:
            kept[:] = sample([*kept, *values])
        case Instrument.GAUGE:
            kept[:] = values
