"""`penstock dlq`: the dead letters of a deployed stage."""

from collections.abc import Sequence
from importlib import import_module
from typing import Final

import typer

from penstock.cli.support.outline import add_outline, selected

_COMMANDS: Final = {
    "stats": (
        "inspect.stats",
        "Count dead letters by cause, the largest count first, with the time until the oldest one expires.",
        "penstock dlq stats · penstock dlq stats --by kind,age --check --json",
    ),
    "list": (
        "inspect.list_",
        "List dead letters: the intent, the fault, and when the message expires.",
        "penstock dlq list --kind order.placed --since 2h · penstock dlq list --stage dev --json | jq .reason",
    ),
    "show": (
        "inspect.show_",
        "Show all details of one dead letter, and of each copy of it on the queue.",
        "penstock dlq show 0199a4c2-6a7e-7cc0-8d2e-0b8f6f1f3c11 --reveal",
    ),
    "replay": (
        "replay.replay_",
        "Send dead letters back to the queue, and delete each one after SQS has acknowledged it.",
        "penstock dlq replay --kind order.placed --canary 10 --rate 100 · penstock dlq replay --all --trial",
    ),
    "copy": (
        "copy.copy_",
        "Send copies of dead letters, with their payloads, to the dead-letter queue of another stage or account.",
        "penstock dlq copy --kind order.placed --stage prod --to-stage dev · penstock dlq copy --all --to URL",
    ),
    "export": (
        "archive.export_",
        "Write dead letters with their payloads to a file, one JSON object per line. They stay on the queue.",
        "penstock dlq export letters.jsonl.gz --kind order.placed",
    ),
    "import": (
        "archive.import_",
        "Send the dead letters of a file to the dead-letter queue, each with its body, attributes and group.",
        "penstock dlq import letters.jsonl.gz",
    ),
    "log": (
        "log.log_",
        "List what was done with dead letters, the newest first: who, when, which ones, and how it ended.",
        "penstock dlq log · penstock dlq log 6a595598 · penstock dlq log --json | jq .counts",
    ),
    "purge": (
        "archive.purge_",
        "Delete dead letters permanently, each one after it was written to a backup that `import` can read.",
        "penstock dlq purge --fault unknown-kind · penstock dlq purge --all --backup all.jsonl",
    ),
}
"""Of each subcommand: its function, the summary that the help lists, and examples."""


def tree(words: Sequence[str] | None) -> typer.Typer:
    """Return the subcommands that some words can run, or else an outline of all of them, for the help.

    Args:
        words: the words of the command line after `penstock dlq`; None for all subcommands.
    """
    app = typer.Typer(
        help="Inspect, replay, copy, export, import and purge dead letters.",
        epilog="Examples: penstock dlq stats · penstock dlq list --kind order.placed · penstock dlq replay --all",
        no_args_is_help=True,
    )
    names = selected(words, _COMMANDS)
    for name in names:
        path, _, examples = _COMMANDS[name]
        module, function = path.split(".")
        command = getattr(import_module(f"penstock.cli.dlq.{module}"), function)
        app.command(name, epilog=f"Examples: {examples}")(command)
    if not names:
        add_outline(app, {name: summary for name, (_, summary, _) in _COMMANDS.items()})
    return app
