"""The write intents of the service that the command runs in."""

from typing import Annotated, Any

import typer

from penstock.cli.support.errors import USAGE, Failure
from penstock.cli.support.service import import_from_service
from penstock.intents import Contract, WriteIntent

ModuleOption = Annotated[
    str, typer.Option("--module", help="Where the intents are, seen from the service's folder.")
]


def intents_of(module_name: str) -> list[type[WriteIntent]]:
    """Import a module from the service's folder, and return its intents.

    Raises:
        Failure: it cannot be imported, has no intents, or they do not go together.
    """
    module = import_from_service(module_name, "give --module")
    intents = list({value: None for value in vars(module).values() if _has_kind(value)})
    if not intents:
        raise Failure(f"{module_name} has no write intents with a kind: give --module", USAGE)
    try:
        Contract(intents)
    except TypeError as error:
        raise Failure(str(error)) from error
    return intents


def _has_kind(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, WriteIntent) and hasattr(value, "intent_kind")
