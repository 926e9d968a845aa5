"""What serverless.yml lets osls pack."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from penstock.local.errors import LocalError
from penstock.project.serverless import NAME, load

STATE_FILES: Final = ".penstock/state.json"


def check_packing(project: Path) -> None:
    """Check that osls would not pack the state of the local stack, with its database, into an artifact.

    By default osls packs the whole folder of the project. What only osls can resolve is not looked at.

    Args:
        project: The folder with serverless.yml.

    Raises:
        LocalError: osls would pack it.
        penstock.project.errors.ProjectError: The file is not YAML.
    """
    if any(_packs_state(patterns) for patterns in _packed(_mapping(load(project / NAME)))):
        raise packed_state_error(project)


def packed_state_error(project: Path) -> LocalError:
    """Return the error for an artifact with the state of the local stack."""
    return LocalError(
        f"{project / NAME}: `package.patterns` lets osls pack the folder .penstock, which has the local database, "
        "into the artifacts of functions. Add this line to `package: patterns:`\n  - '!.penstock/**'"
    )


def _packed(content: dict[str, Any]) -> Iterator[list[Any]]:
    """Yield the patterns of each artifact that osls makes."""
    package = _mapping(content.get("package"))
    functions = content.get("functions")
    listed = functions if isinstance(functions, list) else [functions]
    for function in (function for part in listed for function in _mapping(part).values()):
        own = _mapping(_mapping(function).get("package"))
        individually = own.get("individually", package.get("individually"))
        made_by_user = own.get("artifact") or (package.get("artifact") and not individually)
        if isinstance(function, dict) and not made_by_user and "image" not in function:
            yield [*_list(package.get("patterns")), *(_list(own.get("patterns")) if individually else [])]


def _packs_state(patterns: list[Any]) -> bool:
    """Return whether the last pattern that matches the state files includes them, as osls decides."""
    included = True
    for pattern in map(str, patterns):
        glob = pattern.removeprefix("!").removeprefix("./")
        if re.fullmatch(_expression(glob), STATE_FILES):
            included = not pattern.startswith("!")
    return included


def _expression(glob: str) -> str:
    words = re.split(r"(\*\*/?|\*|\?)", glob)
    meanings = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return "".join(meanings.get(word, re.escape(word)) for word in words)


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
