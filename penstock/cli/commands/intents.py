"""`penstock intents`: the kinds of a service, their JSON Schemas, and the effect of changing them."""

import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from penstock.cli.support.column import Column
from penstock.cli.support.errors import FOUND, USAGE, Failure
from penstock.cli.support.intents import ModulesOption, find_kind, intents_of
from penstock.cli.support.listing import print_rows
from penstock.cli.support.options import JsonOption, Target, on_stage
from penstock.cli.support.output import echo_err
from penstock.cli.support.project import Project
from penstock.intents.schema.asyncapi import DeployedQueue, describe
from penstock.intents.schema.compatibility import Change, Compatibility, compare
from penstock.intents.schema.document import DOCUMENTS, KindDocument, data_schema, document, envelope_schema

app = typer.Typer(
    help="Show the service's write intents, and how a change of them affects messages in flight.",
    epilog="Example: penstock intents diff intents.json",
    no_args_is_help=True,
)

_COLUMNS = (
    Column(name="kind", bare=True),
    Column(name="version", right=True),
    Column(name="oldest", right=True),
    Column(name="aliases", of=lambda row: ",".join(row["aliases"]) or None),
    Column(name="class_name", title="class"),
    Column(name="module", rank=1),
)
_CHANGES = (
    Column(name="verdict", styles={Compatibility.INCOMPATIBLE: "red", Compatibility.CONSUMER_FIRST: "yellow"}),
    Column(name="kind", bare=True),
    Column(name="messages"),
    Column(name="field"),
    Column(name="problem", bare=True, below=True),
    Column(name="hint", title="do", below=True),
)


@app.callback()
def group() -> None:
    """Show the service's write intents, and how a change of them affects messages in flight."""


@app.command("list", epilog="Examples: penstock intents list · penstock intents list --module shop.intents --json")
def list_(*, module: ModulesOption = None, as_json: JsonOption = False) -> None:
    """List the kinds: the version, the oldest version that is still read, the aliases, the class.

    The output is a table on a terminal, and tab-separated lines under a header in a pipe.
    """
    names = [column.name for column in _COLUMNS]
    rows = ({name: getattr(one, name) for name in names} for one in document(intents_of(module)))
    print_rows(rows, _COLUMNS, as_json=as_json)


@app.command(
    "schema",
    epilog="Examples: penstock intents schema stock.adjusted · "
    "penstock intents schema stock.adjusted --envelope · penstock intents schema --all > intents.json",
)
def schema(
    *,
    kind: Annotated[str | None, typer.Argument(metavar="KIND", help="The kind, or one of its aliases.")] = None,
    envelope: Annotated[bool, typer.Option("--envelope", help="Print the schema of the whole envelope.")] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Print all kinds, in the form that `diff` reads.")
    ] = False,
    module: ModulesOption = None,
) -> None:
    """Print the JSON Schema (draft 2020-12) of a kind's data, or of its whole envelope."""
    if everything == (kind is not None) or (everything and envelope):
        raise Failure("give either a KIND, with or without --envelope, or --all", USAGE)
    if kind is None:
        sys.stdout.write(f"{DOCUMENTS.dump_json(document(intents_of(module)), indent=2).decode()}\n")
        return
    intent = find_kind(kind, module)
    made = envelope_schema(intent) if envelope else data_schema(intent)
    sys.stdout.write(f"{json.dumps(made, indent=2)}\n")


@app.command(
    "asyncapi",
    epilog="Examples: penstock intents asyncapi > asyncapi.json · "
    "penstock intents asyncapi --title Shop --version 2.1 --stage dev",
)
@on_stage
def asyncapi(
    *,
    at: Target,
    title: Annotated[
        str | None, typer.Option("--title", help="The document's title. By default the service's name.")
    ] = None,
    version: Annotated[str, typer.Option("--version", help="The version of the contract.")] = "1",
    module: ModulesOption = None,
) -> None:
    """Print the kinds as an AsyncAPI 3.1 document: the queue is its channel, each kind a message.

    With --stage the document has the address of that stage's queue. Otherwise nothing calls AWS.
    """
    made = describe(
        intents_of(module),
        title=title or Project.find(Path.cwd()).name(at.service),
        version=version,
        queue=_find_queue(at) if at.stage else None,
    )
    sys.stdout.write(f"{json.dumps(made, indent=2)}\n")


def _find_queue(at: Target) -> DeployedQueue:
    """Find the queue of a stage.

    Raises:
        Failure: there is no such stack, or it does not belong to a Penstock service.
    """
    stage = at.open()
    (url,) = stage.outputs("QueueUrl")
    return DeployedQueue(stage.name, url)


@app.command(
    "diff",
    epilog="Examples: penstock intents diff intents.json · git show main:intents.json | penstock intents diff - · "
    "penstock intents diff shop.intents_before --json. "
    "Exit codes: 0 all messages can be read, 1 something failed, 2 wrong usage, 10 some messages cannot be read.",
)
def diff(
    *,
    before: Annotated[
        str,
        typer.Argument(
            metavar="BEFORE",
            help="The intents before the change: the output of `schema --all`, as a file or - for stdin; "
            "or another module.",
        ),
    ],
    module: ModulesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show how changes of the intents affect messages in flight during a deployment.

    Prints a line for each change: `compatible`, `upgraded` (by upgraders, which this command does not run),
    `consumer-first` (the old consumer cannot read new messages: deploy the consumer before the producers) or
    `incompatible` (old messages become dead letters). Changes in your own validator functions are not detected.
    """
    changes = compare(_read_before(before), document(intents_of(module)))
    rows = (asdict(change) | {"verdict": str(change.verdict)} for change in changes)
    print_rows(rows, _CHANGES, as_json=as_json)
    _summarize(changes)


def _read_before(name: str) -> list[KindDocument]:
    """Read a saved document, or make the one of a module.

    Raises:
        Failure: there is no such file or module, or the file holds something else.
    """
    if name != "-" and not Path(name).is_file():
        if Path(name).suffix == ".json":
            raise Failure(
                f"there is no file {name}: save the output of `penstock intents schema --all` in it", USAGE
            )
        return document(intents_of([name]))
    content = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    try:
        return DOCUMENTS.validate_json(content)
    except ValidationError as error:
        raise Failure(f"{name} is not what `penstock intents schema --all` prints", USAGE) from error


def _summarize(changes: Sequence[Change]) -> None:
    """Print the counts on stderr.

    Raises:
        typer.Exit: a change is incompatible.
    """
    counts = Counter(change.verdict for change in changes)
    parts = [f"{counts[one]} {one}" for one in Compatibility if counts[one]]
    echo_err(", ".join(parts) or "nothing has changed")
    if counts[Compatibility.CONSUMER_FIRST]:
        echo_err("Deploy the consumer before the producers.")
    if counts[Compatibility.INCOMPATIBLE]:
        raise typer.Exit(FOUND)
