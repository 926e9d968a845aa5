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
    "copy": (
        "copy.copy_",
        "penstock dlq copy --kind order.placed --stage prod --to-stage dev · penstock dlq copy --all --to URL",
    ),
    "export": ("archive.export_", "penstock dlq export letters.jsonl.gz --kind order.placed"),
    "import": ("archive.import_", "penstock dlq import letters.jsonl.gz"),
    "log": ("log.log_", "penstock dlq log · penstock dlq log 6a595598 · penstock dlq log --json | jq .counts"),
    "purge": (
        "archive.purge_",
        "penstock dlq purge --fault unknown-kind · penstock dlq purge --all --backup all.jsonl",
    ),
}


def tree(words: Sequence[str]) -> typer.Typer:
    """Return the subcommand that `words` begins with, or all subcommands if it begins with none of them."""
    app = typer.Typer(
        help="Inspect, replay, copy, export, import and purge dead letters.",
        epilog="Examples: penstock dlq stats · penstock dlq list --kind order.placed · penstock dlq replay --all",
        no_args_is_help=True,
    )
    for name in words[:1] if words and words[0] in _COMMANDS else _COMMANDS:
        path, examples = _COMMANDS[name]
        module, _, function = path.partition(".")
        command = getattr(import_module(f"penstock.cli.dlq.{module}"), function)
        app.command(name, epilog=f"Examples: {examples}")(command)
    return app
