"""The tree of commands: a noun, then a verb.

Only what the words of the command line ask for is imported: who looks at dead letters at three in the morning does
not wait for SQLAlchemy.
"""

from collections.abc import Sequence
from importlib import import_module
from typing import Annotated, Final

import typer

from penstock.cli.support.version import version_line

_COMMANDS: Final = {
    "status": "status.command.status",
    "top": "status.top.top",
    "audit": "commands.audit.audit_",
    "check": "commands.check.check",
    "emit": "emit.command.emit",
}
_GROUPS: Final = {
    "breaker": "commands.breaker",
    "dlq": "dlq",
    "ledger": "commands.ledger",
    "db": "commands.db",
    "intents": "commands.intents",
    "local": "commands.local",
}
_PIPED_INTO: Final = "emit"


def tree(words: Sequence[str] = ()) -> typer.Typer:
    """Return the commands: the one that the words begin with, or all of them if they begin with none."""
    app = typer.Typer(
        name="penstock",
        help="Look after a Penstock service: its dead letters, its database, its local stack.",
        epilog=(
            "Examples: penstock dlq list · penstock dlq replay --all --stage dev · penstock db upgrade · "
            "penstock check. "
            "Exit codes: 0 done, 1 something failed, 2 usage, 3 confirmation needed, 4 credentials, 5 conflict, "
            "10 a check found something, 130 interrupted."
        ),
        no_args_is_help=True,
        rich_markup_mode="markdown",
        pretty_exceptions_enable=False,
        add_completion=False,
    )
    app.callback()(_root)
    known = (*_COMMANDS, *_GROUPS)
    for name in words[:1] if words and words[0] in known else known:
        _add_command(app, name, words[1:])
    return app


def _add_command(app: typer.Typer, name: str, words: Sequence[str]) -> None:
    if name in _COMMANDS:
        place, _, function = _COMMANDS[name].rpartition(".")
        module = import_module(f"penstock.cli.{place}")
        command = getattr(module, function)
        app.command(name, epilog=module.EPILOG, no_args_is_help=name == _PIPED_INTO)(command)
    else:
        module = import_module(f"penstock.cli.{_GROUPS[name]}")
        app.add_typer(module.tree(words) if name == "dlq" else module.app, name=name)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(version_line())
        raise typer.Exit


def _root(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
    _debug: Annotated[
        bool, typer.Option("--debug", help="Show where an error came from; may stand anywhere.")
    ] = False,
) -> None:
    """Look after a Penstock service: its dead letters, its database, its local stack."""
