"""Metrics for CloudWatch: lines of its embedded metric format on standard output, which Lambda's log has.

CloudWatch reads them from the log ("Embedded metric format" in its user guide). A line has one value for each
dimension. So there is a line for the totals of an invocation and, if it met several labels, one for each.
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
        # By the name of a label and the label; None for the totals.
        self._values: dict[Any, _Values] = defaultdict(dict)

    def add(self, metric: Metric, values: Sequence[float], label: str | None) -> None:
        """Add values: to the totals and, if the metric has a label, to what has the same label."""
        if metric.name is None:
            return
        _add(self._values[None], metric.name, metric, values)
        if metric.label and label:
            _add(self._values[metric.label, label], metric.name, metric, values)

    def print(self) -> None:
        """Print the totals, and what has a label: in the same line if that is all there is, or in its own."""
        totals = self._values.pop(None, {})
        if not totals:
            return
        first = self._line(totals, {})
        others = []
        for (name, label), values in self._values.items():
            line = self._line(values, {name: label})
            if name not in first and all(totals[metric] == one for metric, one in values.items()):
                first[name] = label
                first["_aws"]["CloudWatchMetrics"] += line["_aws"]["CloudWatchMetrics"]
            else:
                others.append(line)
        self._values.clear()
        # Not `print`, which writes the end of a line by itself: threads may emit at the same time.
        sys.stdout.write("".join(json.dumps(line, separators=(",", ":")) + "\n" for line in [first, *others]))

    def _line(self, values: _Values, label: dict[str, str]) -> dict[str, Any]:
        service = os.environ.get("POWERTOOLS_SERVICE_NAME", "penstock")
        dimensions = {SERVICE: service, FUNCTION: self._function, **label}
        return {**_provider().serialize_metric_set(values, dimensions, {})}


@cache
def _provider() -> Any:
    # A function that emits without Powertools' event handler has not imported it.
    from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import (  # noqa: PLC0415
        AmazonCloudWatchEMFProvider,
    )

    return AmazonCloudWatchEMFProvider(namespace=NAMESPACE)


def _add(known: _Values, name: str, metric: Metric, values: Sequence[float]) -> None:
    # In the form of Powertools' own `add_metric`, which formats all earlier values at each call, for its log.
    new = {"Unit": metric.cloudwatch_unit, "StorageResolution": 60, "Value": []}
    kept: list[float] = known.setdefault(name, new)["Value"]
    match metric.instrument:
        case Instrument.COUNTER:
            kept[:] = [sum(kept) + sum(values)]
        case Instrument.HISTOGRAM:
            kept[:] = sample([*kept, *values])
        case Instrument.GAUGE:
            kept[:] = values
