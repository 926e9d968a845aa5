"""A rule about aliases: what they provision counts in the reserved concurrency, twice while they shift."""

from collections.abc import Iterator
from typing import Final

from penstock.doctor.finding import Problem, fault, warning
from penstock.doctor.pieces import Function, Piece
from penstock.doctor.rule import LAMBDA, ServiceRule
from penstock.doctor.service import Service

_TYPES: Final = ("AWS::Lambda::Alias", "AWS::Lambda::Version")


def _provisioned(service: Service, function: Function) -> Iterator[Problem]:
    reserved = function.number("ReservedConcurrentExecutions")
    kept = sum(
        Piece(one).number("ProvisionedConcurrencyConfig", "ProvisionedConcurrentExecutions", default=0) or 0
        for one in service.of_type(*_TYPES)
        if service.function_of(one.at("FunctionName")) is function
    )
    if reserved is None or not kept:
        return
    if kept > reserved:
        yield fault(
            function.name,
            f"its aliases and versions provision {kept} environments, and {reserved} are reserved: Lambda refuses "
            "the rest",
            f"provision {reserved} or fewer, or reserve {kept}, and count them in the budget",
        )
    elif 2 * kept > reserved:
        yield warning(
            function.name,
            f"its aliases and versions provision {kept} environments, and {reserved} are reserved: while a "
            "deployment shifts, the old version and the new one need them at once",
            f"provision {reserved // 2} or fewer, or reserve {2 * kept}, and count them in the budget",
        )


RULES: Final = (
    ServiceRule(
        "provisioned-concurrency",
        "What is provisioned for all versions of a function is a part of what is reserved for it",
        f"{LAMBDA}provisioned-concurrency.html",
        lambda service: service.database_functions,
        _provisioned,
    ),
)
