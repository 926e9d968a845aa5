"""Exports of a package that are imported at their first use.

Pytest loads `penstock` in every run, for the plugin that is in it, and a command starts faster if it imports only
what it uses.
"""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def exports_of(package: str, modules: Mapping[str, str]) -> Callable[[str], Any]:
    """Return the `__getattr__` of a package (PEP 562).

    Args:
        package: the package's name.
        modules: the module below the package that has each export.
    """

    def get(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(f"{package}.{modules[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    return get
