"""`penstock console`: a page on this machine to look at a stage and to handle its dead letters."""

from importlib.util import find_spec
from typing import Annotated

import typer

from penstock.cli.support.database import DatabaseOption
from penstock.cli.support.errors import USAGE, Failure
from penstock.cli.support.options import Target, on_stage
from penstock.cli.support.service import DrainOption

EPILOG = (
    "Examples: penstock console · penstock console --stage production · "
    "penstock console --stage dev --allow-changes --port 8800 --no-open"
)


@on_stage
def console(
    *,
    at: Target,
    port: Annotated[int, typer.Option("--port", min=0, max=65_535, help="The port; 0 for any free one.")] = 0,
    allow_changes: Annotated[
        bool,
        typer.Option("--allow-changes", help="Let the pages replay dead letters and turn the drain off and on."),
    ] = False,
    no_open: Annotated[bool, typer.Option("--no-open", help="Do not open a browser.")] = False,
    drain: DrainOption = None,
    database_url: DatabaseOption = None,
) -> None:
    """Serve a page on 127.0.0.1 that shows a stage and its dead letters, until Ctrl-C.

    The URL on stdout has a token that works once, in the browser that opens it first. The console uses your own
    AWS credentials, as any command does. It changes nothing without --allow-changes; with it, the page asks before
    each change, and each change is on record. Payloads are shown only on demand.
    """
    missing = [name for name in ("starlette", "uvicorn", "jinja2") if find_spec(name) is None]
    if missing:
        raise Failure("the console is not installed: pip install 'penstock-postgres[console]'", USAGE)
    from penstock.cli.console.server import serve  # noqa: PLC0415 (its packages are now known to be installed)

    serve(at, database_url, drain, port=port, allow_changes=allow_changes, open_browser=not no_open)
