"""The installed version."""

from importlib.metadata import version


def version_line() -> str:
    """Return the name and the installed version."""
    return f"penstock {version('penstock-postgres')}"
