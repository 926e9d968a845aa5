"""Rules about the event source mapping of a drain, with its function and its queue."""

from collections.abc import Iterator
from typing import Final

from penstock.doctor.finding import NotKnown, Problem, fault, warning
from penstock.doctor.pieces import Drain, Function
from penstock.doctor.rule import CLOUDFORMATION, LAMBDA, ServiceRule
from penstock.doctor.service import Service, items
from penstock.doctor.values import Unknown, as_mapping, as_text

_REPORT: Final = "ReportBatchItemFailures"
_VISIBILITY_LIMIT: Final = 12 * 3600
_SMALL_BATCH: Final = 10
_LARGEST_BATCH: Final = 10_000
_LEAST_CONCURRENCY: Final = 2
_MOST_CONCURRENCY: Final = 1000
_UNBOUND: Final = 1250
"""What a mapping without a maximum can invoke at once (source of the rule `concurrency`)."""
_POLLER: Final = 10
"""The invocations of one poller at once, and below the least and the usual number of pollers."""
_LEAST_POLLERS: Final = 2
_USUAL_POLLERS: Final = 200
_CONFIG: Final = "ProvisionedPollerConfig"


def _visibility(_: Service, drain: Drain) -> Iterator[Problem]:
    queue = drain.known_queue()
    timeout, window, visibility = drain.function.timeout, drain.window, queue.visibility
    least = 6 * timeout + window
    if not least <= visibility <= _VISIBILITY_LIMIT:
        yield fault(
            queue.name,
            f"VisibilityTimeout is {visibility} s, and has to be from {least} (6 x the timeout of "
            f"{drain.function.name}, {timeout} s, + the window, {window} s) to {_VISIBILITY_LIMIT}",
            f"set it to {least} (custom.penstock.queue.visibilityTimeout), or lower the timeout",
        )


def _batch(_: Service, drain: Drain) -> Iterator[Problem]:
    size, window = drain.batch_size, drain.window
    if not 1 <= size <= _LARGEST_BATCH:
        yield fault(
            drain.name,
            f"BatchSize is {size}, and SQS gives from 1 to {_LARGEST_BATCH} messages at once",
            "set it to 1000 (custom.penstock.drain.batchSize)",
        )
    elif size > _SMALL_BATCH and window < 1 and not (drain.queue and drain.queue.is_fifo):
        yield fault(
            drain.name,
            f"BatchSize is {size}: above {_SMALL_BATCH}, the window has to be at least 1 (s), and is {window}",
            "set MaximumBatchingWindowInSeconds to 1 (custom.penstock.drain.window)",
        )


def _fifo(_: Service, drain: Drain) -> Iterator[Problem]:
    if not drain.known_queue().is_fifo:
        return
    if drain.batch_size > _SMALL_BATCH:
        yield fault(
            drain.name,
            f"BatchSize is {drain.batch_size}, and SQS gives at most {_SMALL_BATCH} messages of a FIFO queue at "
            "once",
            f"set it to {_SMALL_BATCH} (custom.penstock.drain.batchSize)",
        )
    if drain.window:
        yield fault(
            drain.name,
            f"MaximumBatchingWindowInSeconds is {drain.window}, and a FIFO queue has no batching window",
            "leave it out, or set it to 0 (custom.penstock.drain.window)",
        )


def _partial(_: Service, drain: Drain) -> Iterator[Problem]:
    types = drain.resource.at("FunctionResponseTypes")
    for one in (types, *items(types)):
        if isinstance(one, Unknown):
            raise NotKnown(drain.name, f"FunctionResponseTypes ({one.why})")
    if _REPORT not in map(as_text, items(types)):
        yield fault(
            drain.name,
            f"FunctionResponseTypes lacks {_REPORT}: Lambda takes the answer of the drain for success, and "
            "deletes the messages that it hands back",
            f"set FunctionResponseTypes to [{_REPORT}] (functionResponseType in serverless.yml)",
        )


def _filters(_: Service, drain: Drain) -> Iterator[Problem]:
    criteria = drain.resource.at("FilterCriteria")
    filters = criteria if isinstance(criteria, Unknown) else as_mapping(criteria).get("Filters")
    if isinstance(filters, Unknown):
        raise NotKnown(drain.name, f"FilterCriteria ({filters.why})")
    if count := len(items(filters)):
        yield fault(
            drain.name,
            f"the mapping has {count} filter{'s' * (count > 1)}: Lambda deletes the messages that match none, and "
            "nothing records that",
            "remove FilterCriteria; a kind that is not to be written here needs a queue of its own",
        )


def _concurrency(service: Service, function: Function) -> Iterator[Problem]:
    asked = 0.0
    for drain in (one for one in service.drains if one.function is function):
        most = _invocations(drain)
        if most is None:
            yield warning(
                drain.name,
                f"the mapping has no MaximumConcurrency: it can invoke {_UNBOUND} drains at once",
                "set ScalingConfig.MaximumConcurrency to the reserved concurrency "
                "(custom.penstock.drain.concurrency)",
            )
            return
        if drain.resource.at(_CONFIG) is None and not _LEAST_CONCURRENCY <= most <= _MOST_CONCURRENCY:
            yield fault(
                drain.name,
                f"MaximumConcurrency is {most}, and SQS requires at least {_LEAST_CONCURRENCY}, and at most "
                f"{_MOST_CONCURRENCY}",
                f"set it to {_LEAST_CONCURRENCY} or more (custom.penstock.drain.concurrency)",
            )
        asked += most
    reserved = function.number("ReservedConcurrentExecutions")
    if reserved is not None and reserved < asked:
        yield fault(
            function.name,
            f"the queue may invoke {asked:.0f} drains at once, and {reserved} are reserved: the others are "
            "throttled, and good messages reach the dead-letter queue",
            f"reserve {asked:.0f} (custom.penstock.drain.concurrency sets both), and count them in the budget",
        )


def _invocations(drain: Drain) -> int | float | None:
    """Return how many invocations a mapping can make at once; None if nothing bounds them."""
    if drain.resource.at(_CONFIG) is None:
        return drain.number("ScalingConfig", "MaximumConcurrency")
    return _POLLER * (drain.number(_CONFIG, "MaximumPollers", default=_USUAL_POLLERS) or 0)


def _provisioned(_: Service, drain: Drain) -> Iterator[Problem]:
    if drain.resource.at(_CONFIG) is None:
        return
    if drain.resource.at("ScalingConfig", "MaximumConcurrency") is not None:
        yield fault(
            drain.name,
            "the mapping has provisioned pollers and a MaximumConcurrency, which exclude each other",
            "remove one; without pollers the budget can be smaller",
        )
    least = drain.number(_CONFIG, "MinimumPollers", default=_LEAST_POLLERS) or 0
    most = drain.number(_CONFIG, "MaximumPollers", default=_USUAL_POLLERS) or 0
    if least < _LEAST_POLLERS or most < least:
        yield fault(
            drain.name,
            f"the mapping has from {least} to {most} pollers: SQS requires at least {_LEAST_POLLERS}, with "
            f"{_POLLER} invocations each",
            f"set MinimumPollers to {_LEAST_POLLERS} and MaximumPollers to as many or more",
        )


def _drain_functions(service: Service) -> list[Function]:
    return list(dict.fromkeys(drain.function for drain in service.drains))


RULES: Final = (
    ServiceRule(
        "visibility",
        "A message that becomes visible while its batch is drained is delivered again",
        f"{LAMBDA}services-sqs-configure.html",
        lambda service: service.drains,
        _visibility,
    ),
    ServiceRule(
        "batch",
        "Lambda refuses larger batches, and batches above 10 without a window",
        f"{CLOUDFORMATION}aws-resource-lambda-eventsourcemapping.html",
        lambda service: service.drains,
        _batch,
    ),
    ServiceRule(
        "fifo",
        "A FIFO queue gives batches of 10 at most, at once",
        f"{LAMBDA}services-sqs-configure.html",
        lambda service: service.drains,
        _fifo,
    ),
    ServiceRule(
        "partial-responses",
        "Only with ReportBatchItemFailures does Lambda read which messages of a batch go back to the queue",
        f"{LAMBDA}services-sqs-errorhandling.html",
        lambda service: service.drains,
        _partial,
    ),
    ServiceRule(
        "filters",
        "Lambda discards a message that matches no filter",
        f"{LAMBDA}invocation-eventfiltering.html",
        lambda service: service.drains,
        _filters,
    ),
    ServiceRule(
        "concurrency",
        "The pollers of a queue do not know the reserved concurrency: what is throttled counts as received",
        f"{LAMBDA}services-sqs-scaling.html",
        _drain_functions,
        _concurrency,
    ),
    ServiceRule(
        "provisioned",
        "Provisioned pollers exclude a MaximumConcurrency, and invoke at least 20 functions at once",
        f"{LAMBDA}services-sqs-scaling.html",
        lambda service: service.drains,
        _provisioned,
    ),
)
