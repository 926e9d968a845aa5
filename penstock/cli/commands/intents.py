"""`penstock intents`: the kinds of a service, as others see them, and what a change of them does."""

import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from penstock.cli.support.errors import FOUND, USAGE, Failure
from penstock.cli.support.intents import ModuleOption, intents_of
from penstock.cli.support.options import JsonOption
from penstock.cli.support.output import print_line
from penstock.intents.schema.compatibility import Change, Compatibility, compare
from penstock.intents.schema.document import DOCUMENTS, KindDocument, data_schema, document, envelope_schema

app = typer.Typer(
    help="Look at the service's write intents, and at what a change of them does to messages on their way.",
    epilog="Example: penstock intents diff intents.json",
    no_args_is_help=True,
)

_COLUMNS = ("kind", "version", "oldest", "aliases", "class_name", "module")


@app.callback()
def group() -> None:
    """Look at the service's write intents."""


@app.command("list", epilog="Examples: penstock intents list · penstock intents list --module shop.intents --json")
def list_(*, module: ModuleOption = "shared.intents", as_json: JsonOption = False) -> None:
    """List the kinds: version, the oldest version that is read, former names, class.

    A line per kind, tab-separated, under a header.
    """
    documents = document(intents_of(module))
    if not as_json:
        print_line(_COLUMNS, as_json=False)
    for one in documents:
        row = {name: getattr(one, name) for name in _COLUMNS}
        cells = [",".join(value) or None if isinstance(value, list) else value for value in row.values()]
        print_line(row if as_json else cells, as_json=as_json)


@app.command(
    "schema",
    epilog="Examples: penstock intents schema stock.adjusted · "
    "penstock intents schema stock.adjusted --envelope · penstock intents schema --all > intents.json",
)
def schema(
    *,
    kind: Annotated[str | None, typer.Argument(metavar="KIND", help="The kind, or a name it had.")] = None,
    envelope: Annotated[bool, typer.Option("--envelope", help="Of the whole message.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="All kinds, in the form that `diff` reads.")] = False,
    module: ModuleOption = "shared.intents",
) -> None:
    """Print the JSON Schema (draft 2020-12) of a kind's data, or of its whole envelope."""
    if everything == (kind is not None) or (everything and envelope):
        raise Failure("give either a KIND, with or without --envelope, or --all", USAGE)
    intents = intents_of(module)
    if everything:
        sys.stdout.write(f"{DOCUMENTS.dump_json(document(intents), indent=2).decode()}\n")
        return
    found = [intent for intent in intents if kind in (intent.intent_kind, *intent.intent_aliases)]
    if not found:
        raise Failure(f"{module} has no kind {kind!r}: `penstock intents list` shows them", USAGE)
    made = (envelope_schema if envelope else data_schema)(found[0])
    sys.stdout.write(f"{json.dumps(made, indent=2)}\n")


@app.command(
    "diff",
    epilog="Examples: penstock intents diff intents.json · git show main:intents.json | penstock intents diff - · "
    "penstock intents diff shop.intents_before --json. "
    "Exit codes: 0 all messages are read, 1 something failed, 2 usage, 10 some messages would not be read.",
)
def diff(
    *,
    before: Annotated[
        str,
        typer.Argument(
            metavar="BEFORE", help="What `schema --all` printed: a file, or - for stdin. Or another module."
        ),
    ],
    module: ModuleOption = "shared.intents",
    as_json: JsonOption = False,
) -> None:
    """Say what changes of the intents do to messages on their way while they are deployed.

    Prints a line per change: `compatible`, `upgraded` (by upgraders, which are not run here), `consumer-first`
    (new messages are not read by the consumer of before: deploy the new one before the producers) or
    `incompatible` (messages of before become dead letters). What functions of your own check is not seen.
    """
    changes = compare(_before(before), document(intents_of(module)))
    for change in changes:
        row = asdict(change) | {"verdict": str(change.verdict)}
        print_line(row if as_json else row.values(), as_json=as_json)
    _tell(changes)


def _tell(changes: Sequence[Change]) -> None:
    """Sum up on stderr.

    Raises:
        typer.Exit: something is incompatible.
    """
    counts = Counter(change.verdict for change in changes)
    parts = [f"{counts[one]} {one}" for one in Compatibility if counts[one]]
    typer.echo(", ".join(parts) or "nothing has changed", err=True)
    if counts[Compatibility.CONSUMER_FIRST]:
        typer.echo("Deploy the consumer before the producers.", err=True)
    if counts[Compatibility.INCOMPATIBLE]:
        raise typer.Exit(FOUND)


def _before(name: str) -> list[KindDocument]:
    """Read a saved document, or write that of a module.

    Raises:
        Failure: there is none.
    """
    if name != "-" and not Path(name).is_file():
        if Path(name).suffix == ".json":
            raise Failure(
                f"there is no file {name}: `penstock intents schema --all` prints what goes there", USAGE
            )
        return document(intents_of(name))
    content = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    try:
        return DOCUMENTS.validate_json(content)
    except ValidationError as error:
        raise Failure(f"{name} is not what `penstock intents schema --all` prints", USAGE) from error
