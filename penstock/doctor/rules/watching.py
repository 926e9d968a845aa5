"""Rules about what watches the service, and what of it could not be seen."""

from collections.abc import Iterator
from typing import Any, Final

from penstock.doctor import sam
from penstock.doctor.finding import Problem, not_checked, note
from penstock.doctor.pieces import Function, Queue
from penstock.doctor.rule import CLOUDFORMATION, SQS, ServiceRule, whole
from penstock.doctor.service import Service
from penstock.doctor.stack import Stack
from penstock.doctor.values import Reference, Unknown
from penstock.metrics.names import NAMESPACE

_AGE: Final = "ApproximateAgeOfOldestMessage"
_DEPTH: Final = "ApproximateNumberOfMessagesVisible"
_ALARM: Final = "AWS::CloudWatch::Alarm"
_METRICS: Final = "PENSTOCK_METRICS"


def _alarms(service: Service, queue: Queue) -> Iterator[Problem]:
    dead = service.dead_letters_of(queue)
    if dead is not None and not _watched(service, dead, _DEPTH):
        yield note(
            dead.name,
            "no alarm in the template watches for dead letters",
            f"include the part `alarms`, or add an AWS::CloudWatch::Alarm on {_DEPTH} of the queue, above 0",
        )
    if not _watched(service, queue, _AGE):
        yield note(
            queue.name,
            "no alarm in the template watches the age of the oldest message",
            f"include the part `alarms`, or add an AWS::CloudWatch::Alarm on {_AGE} of the queue",
        )

    yield from _silent(service)


def _silent(service: Service) -> Iterator[Problem]:
    """Yield the alarms on metrics that their function does not print."""
    for function in service.all_functions:
        printing = function.variables.get(_METRICS, "false")
        alarms = [one.name for one in service.of_type(_ALARM) if _reads_metrics_of(one.properties, function)]
        if alarms and str(printing).lower() == "false":
            yield note(
                function.name,
                f"prints no metrics, so these alarms never fire: {', '.join(alarms)}",
                f"set {_METRICS} to true (`metrics` in custom.penstock), or remove the alarms",
            )


def _reads_metrics_of(alarm: Any, function: Function) -> bool:
    said = list(_leaves(alarm))
    return NAMESPACE in said and any(
        isinstance(one, Reference) and one.resource is function.resource for one in said
    )


def _watched(service: Service, queue: Queue, metric: str) -> bool:
    name = queue.resource.at("QueueName")
    for alarm in service.of_type(_ALARM):
        said = list(_leaves(alarm.properties))
        watches = any(
            (isinstance(one, Reference) and one.resource is queue.resource)
            or (isinstance(one, str) and one == name)
            for one in said
        )
        if metric in said and watches:
            return True
    return False


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _leaves(one)
    else:
        yield value


def _unseen(service: Service, _: Service) -> Iterator[Problem]:
    for stack in service.stack.stacks():
        for name, why in stack.unseen.items():
            yield not_checked(f"{stack.path}{name}", why)
    if not service.drains:
        yield not_checked(
            None, "the drain (no event source mapping leads from a queue to a function with settings PENSTOCK_*)"
        )
    for stack in service.stack.stacks():
        for name in sorted(_conditions_in_use(stack)):
            if stack.condition(name) is None:
                text = f"whether the condition {stack.path}{name} holds: its resources count as part of the stack"
                yield not_checked(None, text)
    yield from _hidden_pieces(service)


def _hidden_pieces(service: Service) -> Iterator[Problem]:
    """Yield what hides whether a resource is one of Penstock's."""
    for resource in service.of_type(sam.FUNCTION):
        found = resource.at("Environment", "Variables")
        if isinstance(found, Unknown):
            yield not_checked(
                resource.name, f"whether it is a function of Penstock's (its variables: {found.why})"
            )
    for resource in service.of_type(sam.MAPPING):
        source = resource.at("EventSourceArn")
        if isinstance(source, Unknown):
            yield not_checked(resource.name, f"whether its source is a queue ({source.why})")
        if service.function_at(resource, "FunctionName") is None:
            yield not_checked(resource.name, "the function that it invokes (the template does not have it)")


def _conditions_in_use(stack: Stack) -> set[str]:
    found = (one.body.get("Condition") for one in stack.resources.values())
    return {one for one in found if isinstance(one, str)}


RULES: Final = (
    ServiceRule(
        "alarms",
        "Dead letters and a queue that does not move are seen only by those who look",
        f"{SQS}sqs-available-cloudwatch-metrics.html",
        lambda service: service.drained_queues,
        _alarms,
    ),
    ServiceRule(
        "unseen",
        "What only a deployment knows cannot be checked in a template",
        f"{CLOUDFORMATION}intrinsic-function-reference.html",
        whole,
        _unseen,
    ),
)
