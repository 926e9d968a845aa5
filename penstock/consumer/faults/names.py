"""The names of the faults that a dead letter can have: classes, and reasons of the framework and of Postgres.

A service can add reasons of its own, in a `DataFault` of a `Custom` function. These are not known here.
"""

from typing import Final

import psycopg
from psycopg import errors

from penstock.consumer.faults.tree import Fault

REASONS: Final = frozenset(
    {
        "eventbridge-event",
        "id-reused",
        "invalid-data",
        "malformed-pack",
        "not-an-envelope",
        "not-json",
        "payload-altered",
        "payload-foreign",
        "payload-missing",
        "payload-too-large",
        "session-ended",
        "sns-notification",
        "undecided",
        "unknown-kind",
        "unknown-version",
        "upgrade-failed",
        "validator-failed",
    }
)
"""The reasons that the framework gives to dead letters."""


def fault_names() -> frozenset[str]:
    """Return the classes of faults, and the reasons that are known: the framework's, and those of Postgres."""
    conditions = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, psycopg.Error)
    }
    return frozenset(_classes(Fault) | conditions | REASONS)


def _classes(fault: type[Fault]) -> set[str]:
    """Return the names of a class and of all under it that the framework defines."""
    under = (_classes(one) for one in fault.__subclasses__() if one.__module__ == Fault.__module__)
    return {fault.__name__}.union(*under)
