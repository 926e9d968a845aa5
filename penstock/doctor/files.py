"""A stack from the files of its template and of the templates nested in it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from penstock.doctor.load import TemplateError, load_template
from penstock.doctor.stack import NESTED, Resource, Stack

_ADDRESSES: Final = ("TemplateURL", "Location")
_DEEPEST: Final = 5


def read_stack(file: Path) -> Stack:
    """Return the stack of a template. Nested templates are read if they are files, by their relative path.

    Args:
        file: the template.

    Raises:
        TemplateError: the template cannot be examined.
    """
    stack = Stack(load_template(file))
    _read_nested(stack, file.parent, _DEEPEST)
    return stack


def _read_nested(stack: Stack, folder: Path, levels: int) -> None:
    for resource in stack.resources.values():
        if resource.type in NESTED:
            _nest(stack, resource, folder, levels)


def _nest(stack: Stack, resource: Resource, folder: Path, levels: int) -> None:
    address = _address(resource.body.get("Properties"))
    file = folder / address if address else None
    if levels == 0:
        stack.unseen[resource.logical_name] = "what it contains (it is nested too deeply)"
        return
    if file is None:
        stack.unseen[resource.logical_name] = (
            "what it contains (its template is no file beside this one: examine the deployed stack, with --stage)"
        )
        return
    try:
        nested = stack.nest(resource.logical_name, load_template(file))
    except TemplateError as error:
        stack.unseen[resource.logical_name] = f"what it contains ({error})"
    else:
        _read_nested(nested, file.parent, levels - 1)


def _address(properties: Any) -> str | None:
    """Return the relative path of a nested template; None if its address is none."""
    if not isinstance(properties, Mapping):
        return None
    for name in _ADDRESSES:
        found = properties.get(name)
        if isinstance(found, str) and "://" not in found and not found.startswith("/") and "\0" not in found:
            return found
    return None
