"""The `penstock` command."""

import sys
from collections.abc import Sequence
from importlib.util import find_spec

from penstock.cli.support.errors import INTERRUPTED
from penstock.cli.support.version import version_line


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit.

    Args:
        arguments: the words after `penstock`; by default those of this process.
    """
    needed = ("typer", "rich", "textual", "yaml", "sqlalchemy", "alembic", "jsonpatch")
    if any(find_spec(name) is None for name in needed):
        sys.exit("penstock: the command line is not installed: pip install 'penstock-postgres[cli]'")
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words == ["--version"]:  # The packages that commands need take most of a second to load.
        sys.stdout.write(f"{version_line()}\n")
        sys.exit(0)
    try:
        from penstock.cli.run import run  # noqa: PLC0415 (its packages are now known to be installed)

        run(words)
    except KeyboardInterrupt:  # While packages load; Typer handles the interrupts of a command.
        sys.exit(INTERRUPTED)
