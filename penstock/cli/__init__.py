"""The `penstock` command."""

import sys
from collections.abc import Sequence
from importlib.util import find_spec


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit.

    Args:
        arguments: the words after `penstock`; by default those that this process was started with.
    """
    missing = [name for name in ("typer", "rich", "yaml", "sqlalchemy", "alembic") if find_spec(name) is None]
    if missing:
        sys.exit("penstock: the command line is not installed: pip install 'penstock[cli]'")
    from penstock.cli.run import run  # noqa: PLC0415 (only now is it known to be there)

    run(list(sys.argv[1:] if arguments is None else arguments))
