"""The tree of commands: a noun, then a verb."""

from typing import Annotated

import typer

from penstock.cli import audit, breaker, check, db, dlq, emit, intents, ledger, local, status, top, version_line

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
app.command("status", epilog=status.EPILOG)(status.status)
app.command("top", epilog=top.EPILOG)(top.top)
app.command("audit", epilog=audit.EPILOG)(audit.audit_)
app.command("check", epilog=check.EPILOG)(check.check)
app.command("emit", epilog=emit.EPILOG, no_args_is_help=True)(emit.emit)
app.add_typer(breaker.app, name="breaker")
app.add_typer(dlq.app, name="dlq")
app.add_typer(ledger.app, name="ledger")
app.add_typer(db.app, name="db")
app.add_typer(intents.app, name="intents")
app.add_typer(local.app, name="local")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(version_line())
        raise typer.Exit


@app.callback()
def root(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
    _debug: Annotated[
        bool, typer.Option("--debug", help="Show where an error came from; may stand anywhere.")
    ] = False,
) -> None:
    """Look after a Penstock service: its dead letters, its database, its local stack."""
