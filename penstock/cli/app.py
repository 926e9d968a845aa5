"""The tree of commands: a noun, then a verb.

Only the modules of the named command are imported, so that `penstock dlq list` starts without SQLAlchemy.
"""

from collections.abc import Sequence
from importlib import import_module
from typing import Annotated, Final

import typer

from penstock.cli.support.version import version_line

_COMMANDS: Final = {
    "status": "status.command:status",
    "top": "top.command:top",
    "console": "console.command:console",
    "audit": "commands.audit:audit_",
    "check": "commands.check:check",
    "doctor": "commands.doctor:doctor",
    "explain": "explain.command:explain_",
    "emit": "emit.command:emit",
    "breaker": "commands.breaker:app",
    "hold": "hold.command:hold_",
    "release": "hold.release_command:release_",
    "dlq": "dlq:tree",
    "ledger": "commands.ledger:app",
    "db": "commands.db:app",
    "build": "commands.build:build_",
    "init": "commands.init:init",
    "intents": "commands.intents:app",
    "infra": "commands.infra:app",
    "local": "commands.local:app",
}
"""The object behind each command, as MODULE:ATTRIBUTE in this package: a function, or a group of commands."""
_LAZY_GROUP: Final = "dlq"
"""Its object is a function that returns the group, with only the named verb imported."""
_HELP_WITHOUT_ARGUMENTS: Final = "emit"


def tree(words: Sequence[str] = ()) -> typer.Typer:
    """Return the command that the words begin with, or all commands if they begin with no command."""
    app = typer.Typer(
        name="penstock",
        help="Operate a Penstock service: its dead letters, its database, its local stack.",
        epilog=(
            "Examples: penstock dlq list · penstock dlq replay --all --stage dev · penstock db upgrade · "
            "penstock check. "
            "Exit codes: 0 done, 1 something failed, 2 wrong usage, 3 confirmation needed, 4 wrong credentials, "
            "5 conflict, 10 a check found something, 11 a check could not decide yet, "
            "129 ended by SIGHUP, 130 interrupted, 141 the reader of stdout has gone, 143 ended by SIGTERM."
        ),
        no_args_is_help=True,
        rich_markup_mode="markdown",
        pretty_exceptions_enable=False,
        add_completion=False,
    )
    app.callback()(_root)
    for name in words[:1] if words and words[0] in _COMMANDS else _COMMANDS:
        _add_command(app, name, words[1:])
    return app


def _add_command(app: typer.Typer, name: str, words: Sequence[str]) -> None:
    place, _, attribute = _COMMANDS[name].partition(":")
    module = import_module(f"penstock.cli.{place}")
    command = getattr(module, attribute)
    if name == _LAZY_GROUP:
        command = command(words)
    if isinstance(command, typer.Typer):
        app.add_typer(command, name=name)
    else:
        without_arguments = name == _HELP_WITHOUT_ARGUMENTS
        app.command(name, epilog=module.EPILOG, no_args_is_help=without_arguments)(command)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(version_line())
        raise typer.Exit


def _root(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
    _debug: Annotated[
        bool,
        typer.Option(
            "--debug", help="Print the traceback of an error; the option may stand after the command too."
        ),
    ] = False,
) -> None:
    """Operate a Penstock service: its dead letters, its database, its local stack."""
