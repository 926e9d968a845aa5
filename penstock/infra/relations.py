"""The relations between the numbers of a template, which neither osls nor CloudFormation can compute.

A template is what osls packages, or what `penstock infra export` writes; a parameter counts as its default.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import Any, Final

DATABASE_URL: Final = "PENSTOCK_DATABASE_URL"

_VISIBILITY_LIMIT: Final = 12 * 3600
_GATEWAY_TIMEOUT: Final = 30
_SECONDS_OF_A_DAY: Final = 86_400
_MIN_CONCURRENCY: Final = 2
_SMALL_BATCH: Final = 10


def check_relations(template: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the numbers of a template: the numbers, the reason, and what to change.

    Args:
        template: The CloudFormation template, as a nested mapping.
    """
    numbers = _Numbers(template)
    return list(chain.from_iterable(check(numbers) for check in _CHECKS))


class _Numbers:
    """The numbers of a template, with parameters at their defaults."""

    def __init__(self, template: Mapping[str, Any]) -> None:
        self._template = template
        self._parameters = template.get("Parameters", {})

    def of(self, logical_name: str, *path: str) -> Any:
        """Return a property of a resource; None if the template has no such resource or property."""
        return self._at(self._template["Resources"].get(logical_name, {}).get("Properties"), path)

    def output(self, name: str) -> Any:
        """Return the value of an output; None if there is none."""
        return self._at(self._template.get("Outputs", {}), (name, "Value"))

    def expiration(self, bucket: str) -> Any:
        """Return the days after which the objects of a bucket expire; None if they do not."""
        properties = self._template["Resources"].get(bucket, {}).get("Properties", {})
        rules = properties.get("LifecycleConfiguration", {}).get("Rules", [])
        return next((self.number(rule["ExpirationInDays"]) for rule in rules if "ExpirationInDays" in rule), None)

    def functions(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield the functions that have the database's URL: the logical name and the properties."""
        for name, resource in self._template["Resources"].items():
            properties = resource.get("Properties", {})
            if resource["Type"] == "AWS::Lambda::Function" and DATABASE_URL in _variables(properties):
                yield name, properties

    def number(self, value: Any) -> Any:
        """Return the number that a value of the template stands for; None if only a deployment knows it."""
        match value:
            case {"Ref": str(name)} if name in self._parameters:
                return self.number(self._parameters[name].get("Default"))
            case {"Fn::If": [str(condition), reference, otherwise]} if condition.startswith("Has"):
                return self.number(otherwise) if self.number(reference) is None else self.number(reference)
            case int() | float():
                return value
            case str() if value.replace(".", "", 1).isdigit():
                return float(value) if "." in value else int(value)
            case _:
                return None

    def _at(self, found: Any, path: tuple[str, ...]) -> Any:
        for step in path:
            found = found.get(step) if isinstance(found, Mapping) else None
        return self.number(found)


def _budget(numbers: _Numbers) -> Iterator[str]:
    """Law 6: the functions never hold more connections than the budget says."""
    connections = 0
    for name, properties in numbers.functions():
        concurrency = numbers.number(properties.get("ReservedConcurrentExecutions"))
        pool = numbers.number(_variables(properties).get("PENSTOCK_POOL_SIZE", 1))
        if concurrency is None or pool is None:
            yield (
                f"{name} has the database's URL and no bound: give it `reservedConcurrency`, and count it in "
                "the budget"
            )
            return
        connections += concurrency * pool
    stated = numbers.output("ConnectionBudget")
    if stated != connections:
        yield (
            f"budget is {stated}, and the functions hold up to {connections} connections (concurrency x poolSize, "
            f"summed): set `budget: {connections}`, and check that the database grants them"
        )


def _visibility(numbers: _Numbers) -> Iterator[str]:
    visibility = numbers.of("Queue", "VisibilityTimeout")
    timeout = numbers.of("DrainLambdaFunction", "Timeout")
    window = numbers.of("DrainEventSourceMappingSQSQueue", "MaximumBatchingWindowInSeconds")
    if None in (visibility, timeout, window):
        return
    least = 6 * timeout + window
    if not least <= visibility <= _VISIBILITY_LIMIT:
        yield (
            f"queue.visibilityTimeout is {visibility} s, and has to be from {least} (6 x drain.timeout + "
            f"drain.window) to {_VISIBILITY_LIMIT}: otherwise messages are delivered again while they are drained"
        )


def _concurrency(numbers: _Numbers) -> Iterator[str]:
    most = numbers.of("DrainEventSourceMappingSQSQueue", "ScalingConfig", "MaximumConcurrency")
    reserved = numbers.of("DrainLambdaFunction", "ReservedConcurrentExecutions")
    if most is not None and most < _MIN_CONCURRENCY:
        yield f"drain.concurrency is {most}, and SQS requires at least {_MIN_CONCURRENCY}"
    if None not in (most, reserved) and reserved < most:
        yield (
            f"the queue may invoke {most} drains at once, and {reserved} are reserved: the others are throttled, "
            "and good messages reach the dead-letter queue. Set both to drain.concurrency"
        )


def _batch(numbers: _Numbers) -> Iterator[str]:
    size = numbers.of("DrainEventSourceMappingSQSQueue", "BatchSize")
    window = numbers.of("DrainEventSourceMappingSQSQueue", "MaximumBatchingWindowInSeconds")
    if None in (size, window) or size <= _SMALL_BATCH:
        return
    if numbers.of("Queue", "FifoQueue"):
        yield f"drain.batchSize is {size}, and SQS gives at most {_SMALL_BATCH} messages of a FIFO queue at once"
    elif window < 1:
        yield f"drain.batchSize is {size}: above {_SMALL_BATCH}, drain.window has to be at least 1 (s)"


def _payloads(numbers: _Numbers) -> Iterator[str]:
    retentions = [numbers.of(queue, "MessageRetentionPeriod") for queue in ("Queue", "DeadLetterQueue")]
    if None in retentions:
        return
    if retentions[1] < retentions[0]:
        yield "the dead-letter queue has a shorter retention than the queue, and a dead letter keeps its age"
    least = -(-2 * sum(retentions) // _SECONDS_OF_A_DAY)
    days = numbers.expiration("PayloadBucket")
    if days is not None and days < least:
        yield (
            f"payloads.days is {days}, and has to be at least {least}, twice the retention of both queues: "
            "otherwise a message can refer to an object that is gone"
        )


def _answer(numbers: _Numbers) -> Iterator[str]:
    timeout = numbers.of("WritesLambdaFunction", "Timeout")
    if timeout is not None and timeout >= _GATEWAY_TIMEOUT:
        yield f"writes.timeout is {timeout} s: API Gateway waits for {_GATEWAY_TIMEOUT}"


def _proxy(numbers: _Numbers) -> Iterator[str]:
    pool = ("ConnectionPoolConfigurationInfo", "MaxConnectionsPercent")
    percent = numbers.of("DatabaseProxyTargets", *pool)
    most = numbers.of("DatabaseParameters", "Parameters", "max_connections")
    budget = numbers.output("ConnectionBudget")
    if None in (percent, most, budget):
        return
    if percent > 100 or most * percent < 100 * budget:  # noqa: PLR2004 (percent)
        yield (
            f"the proxy opens {percent} % of {most} connections, and the budget is {budget}: raise "
            "aurora.maxConnections, or set aurora.proxyPercent"
        )


_CHECKS: Final[tuple[Callable[[_Numbers], Iterator[str]], ...]] = (
    _budget,
    _visibility,
    _concurrency,
    _batch,
    _payloads,
    _answer,
    _proxy,
)


def _variables(properties: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = properties.get("Environment", {}).get("Variables", {})
    return found
