"""The metrics that a Lambda function has printed for CloudWatch, as CloudWatch reads them."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

FUNCTION = "shop-dev-drain"
HERE = {"AWS_LAMBDA_FUNCTION_NAME": FUNCTION, "POWERTOOLS_SERVICE_NAME": "shop"}

_UNITS = {"Seconds", "Count"}


class Printed(NamedTuple):
    """One metric of one line."""

    namespace: str
    name: str
    unit: str
    dimensions: Mapping[str, str]
    values: list[float]


def printed_in(output: str) -> list[Printed]:
    """Return the metrics in some output, each held against the specification of the embedded metric format."""
    return [metric for line in output.splitlines() if line.startswith('{"_aws"') for metric in _read(line)]


def values_in(output: str, name: str, **label: str) -> list[float]:
    """Return the values of one metric, in the totals or with a label."""
    wanted = {"service": "shop", "function": FUNCTION, **label}
    found = [one.values for one in printed_in(output) if (one.name, dict(one.dimensions)) == (name, wanted)]
    assert len(found) <= 1, "printed twice in one invocation"
    return found[0] if found else []


def _read(line: str) -> Iterator[Printed]:
    assert len(line.encode()) < 256 * 1024
    document: dict[str, Any] = json.loads(line)
    metadata = document["_aws"]
    assert isinstance(metadata["Timestamp"], int)
    for directive in metadata["CloudWatchMetrics"]:
        (names,) = directive["Dimensions"]
        assert len(names) <= 30
        dimensions = {name: document[name] for name in names}
        assert all(isinstance(value, str) and 0 < len(value) <= 1024 for value in dimensions.values())
        assert 0 < len(directive["Metrics"]) <= 100
        for metric in directive["Metrics"]:
            values = document[metric["Name"]]
            assert 0 < len(values) <= 100
            assert all(type(value) in {int, float} for value in values), "CloudWatch takes numbers alone"
            assert metric["Unit"] in _UNITS
            yield Printed(directive["Namespace"], metric["Name"], metric["Unit"], dimensions, values)
