"""The write intents of the service in the current folder."""

from typing import Annotated, Any

import typer

from penstock.cli.support.errors import USAGE, Failure
from penstock.cli.support.service import import_from_service
from penstock.intents import Contract, WriteIntent

ModuleOption = Annotated[
    str,
    typer.Option("--module", help="The module of the write intents, as imported from the service's folder."),
]


def intents_of(module_name: str) -> list[type[WriteIntent]]:
    """Import a module from the service's folder, and return its write intents.

    Raises:
        Failure: the module cannot be imported, has no write intents, or has two that contradict each other.
    """
    module = import_from_service(module_name, "name another one with --module")
    intents = list({value: None for value in vars(module).values() if _has_kind(value)})
    if not intents:
        raise Failure(f"{module_name} has no write intents with a kind: name another one with --module", USAGE)
    try:
        Contract(intents)
    except TypeError as error:
        raise Failure(str(error)) from error
    return intents


def find_kind(kind: str, module_name: str) -> type[WriteIntent]:
    """Return the write intent of a kind, by its name or one of its aliases.

    Raises:
        Failure: as for `intents_of`, or the module has no such kind.
    """
    for intent in intents_of(module_name):
        if kind in (intent.intent_kind, *intent.intent_aliases):
            return intent
    raise Failure(f"{module_name} has no kind {kind!r}: `penstock intents list` shows them", USAGE)


def _has_kind(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, WriteIntent) and hasattr(value, "intent_kind")
