"""The installed version."""

from importlib.metadata import version

from penstock.artifacts.framework import DISTRIBUTION


def version_line() -> str:
    """Return the name and the installed version."""
    return f"penstock {version(DISTRIBUTION)}"
