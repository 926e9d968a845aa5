"""Rules about how long a function may take."""

import re
from collections.abc import Iterator
from typing import Final

from penstock.doctor import sam
from penstock.doctor.finding import Problem, fault, warning
from penstock.doctor.pieces import Function
from penstock.doctor.rule import LAMBDA, ServiceRule
from penstock.doctor.service import Service, items
from penstock.doctor.values import as_mapping

_HTTP_SECONDS: Final = 30
_REST_SECONDS: Final = 29
_METHOD: Final = "AWS::ApiGateway::Method"
_CONNECT_SECONDS: Final = 5
"""What the engine gives a connection (`penstock/database/engine.py`)."""
_RATE: Final = re.compile(r"rate\((\d{1,9}) (minute|hour|day)s?\)")
_SECONDS: Final = {"minute": 60, "hour": 3600, "day": 86_400}


def _answer(service: Service, function: Function) -> Iterator[Problem]:
    longest = _patience(service, function)
    if longest is not None and function.timeout >= longest:
        yield fault(
            function.name,
            f"its timeout is {function.timeout} s, and API Gateway waits for {longest}: the caller gets a 503 "
            "while the function still works",
            f"set Timeout below {longest} (custom.penstock.writes.timeout for `writes`)",
        )


def _patience(service: Service, function: Function) -> int | None:
    """Return how long the API before a function waits, in seconds; None if there is none."""
    for resource in service.of_type(sam.INTEGRATION):
        if service.function_at(resource, "IntegrationUri") is function:
            return _HTTP_SECONDS
    for resource in service.of_type(_METHOD):
        if service.function_at(resource, "Integration") is function:
            return _REST_SECONDS
    return None


def _connect(_: Service, function: Function) -> Iterator[Problem]:
    if function.timeout <= _CONNECT_SECONDS:
        yield warning(
            function.name,
            f"its timeout is {function.timeout} s, and a connection alone may take {_CONNECT_SECONDS} s",
            "set Timeout to 10 or more",
        )


def _schedule(service: Service, function: Function) -> Iterator[Problem]:
    for rule in service.of_type(sam.SCHEDULE):
        targets = {service.function_of(as_mapping(one).get("Arn")) for one in items(rule.at("Targets"))}
        rate = _RATE.fullmatch(str(rule.at("ScheduleExpression")))
        if rate is None or function not in targets:
            continue
        interval = int(rate[1]) * _SECONDS[rate[2]]
        if function.timeout > interval:
            yield warning(
                function.name,
                f"its timeout is {function.timeout} s, and {rule.name} runs it each {interval} s: a run waits "
                "for the one before it, or runs beside it",
                f"set Timeout to {interval} or less",
            )


RULES: Final = (
    ServiceRule(
        "answer",
        "API Gateway gives up on a function after 30 s (an HTTP API) or 29 s (a REST API)",
        "https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html",
        lambda service: service.functions,
        _answer,
    ),
    ServiceRule(
        "connect",
        "A function that is cut off while it connects says nothing about the database",
        f"{LAMBDA}configuration-timeout.html",
        lambda service: service.database_functions,
        _connect,
    ),
    ServiceRule(
        "schedule",
        "A scheduled function should have ended when it is due again",
        "https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html",
        lambda service: service.functions,
        _schedule,
    ),
)
