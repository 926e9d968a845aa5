"""The write intents of the service in the current folder."""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Annotated, Any

import typer

from penstock.cli.support.errors import USAGE, Failure
from penstock.cli.support.service import find_config, import_from_service
from penstock.intents import Contract, WriteIntent

ModulesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--module",
        help="A module of write intents, as imported from the service's folder; repeat it for several. "
        "By default `intents` of [tool.penstock].",
    ),
]

_HINT = "name another one with --module, or write `intents` under [tool.penstock] in pyproject.toml"


def intents_of(given: Sequence[str] | None) -> list[type[WriteIntent]]:
    """Import modules from the service's folder, and return their write intents.

    Args:
        given: the modules; None for those that the service's configuration names.

    Raises:
        Failure: a module cannot be imported or has no write intents, or two intents contradict each other.
    """
    modules = given or find_config().intents
    intents = list(dict.fromkeys(intent for name in modules for intent in _intents_in(name)))
    try:
        Contract(intents)
    except TypeError as error:
        raise Failure(str(error)) from error
    return intents


def find_kind(kind: str, given: Sequence[str] | None) -> type[WriteIntent]:
    """Return the write intent of a kind, by its name or one of its aliases.

    Args:
        kind: the kind.
        given: the modules, as for `intents_of`.

    Raises:
        Failure: as for `intents_of`, or there is no such kind.
    """
    intents = intents_of(given)
    for intent in intents:
        if kind in (intent.intent_kind, *intent.intent_aliases):
            return intent
    modules = " and ".join(given or find_config().intents)
    near = get_close_matches(kind, [intent.intent_kind for intent in intents], n=1)
    meant = f"did you mean {near[0]!r}? " if near else ""
    raise Failure(f"{modules} has no kind {kind!r}: {meant}`penstock intents list` shows them", USAGE)


def _intents_in(module_name: str) -> list[type[WriteIntent]]:
    module = import_from_service(module_name, _HINT)
    found = [value for value in vars(module).values() if _has_kind(value)]
    if not found:
        raise Failure(f"{module_name} has no write intents with a kind: {_HINT}", USAGE)
    return found


def _has_kind(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, WriteIntent) and hasattr(value, "intent_kind")
