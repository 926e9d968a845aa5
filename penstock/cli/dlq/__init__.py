"""`penstock dlq`: the dead letters of a deployed stage."""

from collections.abc import Sequence
from importlib import import_module
from typing import Final

import typer

_COMMANDS: Final = {
    "stats": ("inspect.stats", "penstock dlq stats · penstock dlq stats --by kind,age --check --json"),
    "list": (
        "inspect.list_",
        "penstock dlq list --kind order.placed --since 2h · penstock dlq list --stage dev --json | jq .reason",
    ),
    "show": ("inspect.show_", "penstock dlq show 0199a4c2-6a7e-7cc0-8d2e-0b8f6f1f3c11 --reveal"),
    "replay": (
        "replay.replay_",
        "penstock dlq replay --kind order.placed --canary 10 --rate 100 · penstock dlq replay --all --trial",
    ),
    "export": ("archive.export_", "penstock dlq export letters.jsonl.gz --kind order.placed"),
    "import": ("archive.import_", "penstock dlq import letters.jsonl.gz"),
    "purge": (
        "archive.purge_",
        "penstock dlq purge --fault unknown-kind · penstock dlq purge --all --backup all.jsonl",
    ),
}


def tree(words: Sequence[str]) -> typer.Typer:
    """Return the commands: the one that the words begin with, or all of them if they begin with none."""
    app = typer.Typer(
        help="Look at dead letters, send them back, save them, delete them.",
        epilog="Examples: penstock dlq stats · penstock dlq list --kind order.placed · penstock dlq replay --all",
        no_args_is_help=True,
    )
    for verb in words[:1] if words and words[0] in _COMMANDS else _COMMANDS:
        place, examples = _COMMANDS[verb]
        module, _, function = place.partition(".")
        command = getattr(import_module(f"penstock.cli.dlq.{module}"), function)
        app.command(verb, epilog=f"Examples: {examples}")(command)
    return app
