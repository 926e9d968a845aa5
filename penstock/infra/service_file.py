"""`custom.penstock` and the included parts in a serverless.yml as it is written, its variables unresolved."""

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from typing import Any, Final

from penstock.infra.include_file import include_document, include_file
from penstock.infra.template import FUNCTIONS, NEEDS, PARTS, cloudformation_template
from penstock.infra.variables import parameter_name

_KEY: Final = re.compile(r"self:custom\.penstock\.([A-Za-z]+(?:\.[A-Za-z]+)*)")
_INCLUDED: Final = re.compile(r"\$\{file\((?:\./)?infra/penstock\.yml\):(\w+)\}")
# Parts with keys of the same name in the block: without the part, the keys have no effect.
_PARTS_WITH_KEYS: Final = ("vpc", "throttle", "aurora", "network", "alarms", "events", "gradual")


def check_service_file(content: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with how a serverless.yml uses the parts.

    Args:
        content: The content of serverless.yml, with variables as text.
    """
    block = _block(content)
    return [
        *_unknown_keys(block),
        *_unknown_parts(content),
        *_missing_parts(content, block),
        *_name_clashes(content),
    ]


def check_same_service(content: Mapping[str, Any], *, drain: str, migrations: str) -> list[str]:
    """Return where the functions would run other code than the `penstock` command looks at.

    Args:
        content: The content of serverless.yml, with variables as text.
        drain: The drain that the command imports, as MODULE:ATTRIBUTE.
        migrations: The folder of migrations that the command applies.
    """
    values, unresolved = plain_values(content)
    defaults = cloudformation_template(artifacts="build")["Parameters"]
    found = []
    for key, own in {"drain.target": drain, "migrations": migrations}.items():
        name = parameter_name(key)
        deployed = values.get(name, defaults[name]["Default"])
        if key not in unresolved and deployed != own:
            found.append(
                f"custom.penstock.{key} is {deployed}, and the `penstock` command takes {own} ([tool.penstock] in "
                "pyproject.toml): write the same in both"
            )
    return found


def plain_values(content: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the values of the block for the parameters of the template, and the keys that only osls can resolve.

    Args:
        content: The content of serverless.yml, with variables as text.
    """
    values, unresolved = {}, []
    for key, value in _leaves(_block(content)):
        if isinstance(value, str) and "${" in value:
            unresolved.append(key)
        elif isinstance(value, str | int | float) and key in known_keys():
            values[parameter_name(key)] = value
    return values, unresolved


def included_parts(content: Mapping[str, Any]) -> list[str]:
    """Return the optional parts that `resources` includes, with the part that they need.

    Args:
        content: The content of serverless.yml, with variables as text.
    """
    included = _included(content, "resources") & set(PARTS)
    return sorted(included.union(*(NEEDS.get(part, ()) for part in included)))


@cache
def known_keys() -> frozenset[str]:
    """Return the keys of the block that the parts read, with dots."""
    return frozenset(_KEY.findall(include_file()))


def _block(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return `custom.penstock`; empty if there is none, or if only osls can resolve it."""
    custom = content.get("custom")
    block = custom.get("penstock") if isinstance(custom, Mapping) else None
    return block if isinstance(block, Mapping) else {}


def _unknown_keys(block: Mapping[str, Any]) -> Iterator[str]:
    known = known_keys()
    for key, value in _leaves(block):
        whole = not isinstance(value, Mapping) and any(one.startswith(f"{key}.") for one in known)
        if key not in known and not whole:
            near = get_close_matches(key, known, 1)
            hint = f": did you mean {near[0]}?" if near else ": docs/infrastructure.md lists the keys"
            yield f"custom.penstock.{key} is not a key of Penstock{hint}"


def _leaves(block: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the keys of the block with dots, and their values; what a key holds as a whole is not entered."""
    known = known_keys()
    for name, value in block.items():
        key = f"{above}{name}"
        group = any(one.startswith(f"{key}.") for one in known)
        if isinstance(value, Mapping) and group:
            yield from _leaves(value, f"{key}.")
        else:
            yield key, value


def _unknown_parts(content: Mapping[str, Any]) -> Iterator[str]:
    """Yield the included parts that the file does not have: osls says only that it cannot resolve a variable."""
    known = include_document().keys()
    for part in sorted((_included(content, "functions") | _included(content, "resources")) - known):
        yield f"this version of infra/penstock.yml has no part {part}: its parts are {', '.join(PARTS)}"


def _missing_parts(content: Mapping[str, Any], block: Mapping[str, Any]) -> Iterator[str]:
    resources = _included(content, "resources")
    if "functions" not in _included(content, "functions"):
        yield _missing("functions", "functions", "Penstock's functions are not deployed")
    if "resources" not in resources:
        yield _missing("resources", "resources", "queues, roles and outputs are not deployed")
    for part in _PARTS_WITH_KEYS:
        if part in block and part not in resources:
            yield _missing("resources", part, f"custom.penstock.{part} has no effect without it")
    for part, function in FUNCTIONS.items():
        if part in resources and function not in _included(content, "functions"):
            yield _missing("functions", function, f"the function of the part {part} is not deployed")
    if {"events", "vpc"} <= resources and "eventsVpc" not in resources:
        yield _missing("resources", "eventsVpc", "the function `events` is outside of the VPC")


def _included(content: Mapping[str, Any], section: str) -> set[str]:
    """Return the parts that a section includes, itself or by a parameter: stages can differ in their parts."""
    return set(_INCLUDED.findall(f"{content.get(section)} {content.get('params')}"))


def _missing(section: str, part: str, effect: str) -> str:
    return f"`{section}` does not include the part {part} ({effect}): add `- ${{file(infra/penstock.yml):{part}}}`"


def _name_clashes(content: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names that both the service and the parts have: osls would merge the two into one, silently."""
    document = include_document()
    own = set(document["functions"]).union(*(document[section] for section in FUNCTIONS.values()))
    for name in sorted(own & set(_merged(content.get("functions")))):
        yield f"the function {name} is also one of Penstock's: give yours another name"
    resources = _merged(content.get("resources"))
    for section in ("Resources", "Outputs", "Conditions"):
        theirs = resources.get(section)
        names = set(theirs) if isinstance(theirs, Mapping) else set()
        for name in sorted(names & set(document["resources"][section])):
            yield f"resources.{section}.{name} is also one of Penstock's: give yours another name"


def _merged(section: Any) -> dict[str, Any]:
    """Return what serverless.yml itself has in a section, which can be a list of mappings."""
    merged: dict[str, Any] = {}
    for part in section if isinstance(section, list) else [section]:
        for key, value in (part if isinstance(part, Mapping) else {}).items():
            both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
            merged[key] = {**merged[key], **value} if both else value
    return merged
