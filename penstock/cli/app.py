"""The tree of commands: a noun, then a verb.

Only the modules of the named command are imported, so that `penstock dlq list` starts without SQLAlchemy, and
`penstock --help` with no command at all.
"""

from collections.abc import Sequence
from importlib import import_module
from typing import Annotated, Final

import typer

from penstock.cli.support.outline import add_outline, selected
from penstock.cli.support.version import version_line

_COMMANDS: Final = {
    "status": (
        "status.command:status",
        "Show the state of a stage in one word, then the queues, the drain, the breaker and the connections.",
    ),
    "top": (
        "top.command:top",
        "Show a stage live, and operate it: its dead letters by cause, trials, replays and the breaker.",
    ),
    "console": (
        "console.command:console",
        "Serve a page on 127.0.0.1 that shows a stage and its dead letters, until Ctrl-C.",
    ),
    "audit": (
        "commands.audit:audit_",
        "Account for every intent: emitted = applied + stale + dead + expired + pending.",
    ),
    "check": (
        "commands.check:check",
        "Check the drain's bindings against the live database: tables, columns, keys, privileges, migrations.",
    ),
    "doctor": (
        "commands.doctor:doctor",
        "Examine a packaged template, or a deployed stack, and its database: what is wrong, why, and the way out.",
    ),
    "explain": (
        "explain.command:explain_",
        "Explain a kind: what the drain sends to Postgres for it, and how Postgres executes that.",
    ),
    "emit": (
        "emit.command:emit",
        "Emit intents of one kind, and print a line for each: the input's line number, the id, the receipt.",
    ),
    "hold": (
        "hold.command:hold_",
        "Hold the intents of a kind back until `penstock release`, or list the kinds that are held.",
    ),
    "release": (
        "hold.release_command:release_",
        "End the hold of a kind: send its parked intents back to the queue, in the order of their arrival.",
    ),
    "build": (
        "commands.build:build_",
        "Build the artifacts of the functions, as [tool.penstock.build] in pyproject.toml describes them.",
    ),
    "init": (
        "commands.init:init",
        "Make a service with one intent, its handler, drain, table, migration and tests, for `penstock local up`.",
    ),
    "breaker": ("commands.breaker:app", "Show the breaker's state; turn the drain off and on by hand."),
    "dlq": ("dlq:tree", "Inspect, replay, copy, export, import and purge dead letters."),
    "ledger": ("commands.ledger:app", "Find an intent in the ledger."),
    "db": ("commands.db:app", "Maintain the database's tables."),
    "intents": (
        "commands.intents:app",
        "Show the service's write intents, and how a change of them affects messages in flight.",
    ),
    "infra": (
        "commands.infra:app",
        "Write infra/penstock.yml of this version of Penstock, which serverless.yml includes.",
    ),
    "local": (
        "commands.local:app",
        "Run the service on this machine: Postgres, a local AWS, and a real deployment to it.",
    ),
}
"""Of each command: the object behind it, as MODULE:ATTRIBUTE in this package, and the summary that the help lists.

The object is a function, or a group of commands. The help lists the groups last.
"""
_LAZY_GROUP: Final = "dlq"
"""Its object is a function that returns the group, with only the named verb imported."""
_HELP_WITHOUT_ARGUMENTS: Final = "emit"


def tree(words: Sequence[str] | None = None) -> typer.Typer:
    """Return the commands that some words can run, or else an outline of all of them, for the help.

    Args:
        words: the words of the command line after `penstock`; None for all commands.
    """
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
    names = selected(words, _COMMANDS)
    for name in names:
        _add_command(app, name, words[1:] if words and words[0] == name else None)
    if not names:
        add_outline(app, {name: summary for name, (_, summary) in _COMMANDS.items()})
    return app


def _add_command(app: typer.Typer, name: str, words: Sequence[str] | None) -> None:
    place, _, attribute = _COMMANDS[name][0].partition(":")
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
