"""The options of `penstock dlq replay`."""

from math import isfinite
from typing import Annotated

import typer


def _require_finite(value: float | None) -> float | None:
    if value is not None and not isfinite(value):
        raise typer.BadParameter(f"{value} is not a finite number")
    return value


AllOption = Annotated[bool, typer.Option("--all", help="Select all dead letters.")]
LimitOption = Annotated[int | None, typer.Option("--limit", min=1, help="Send at most this many.")]
RateOption = Annotated[
    float | None,
    typer.Option("--rate", min=0.01, callback=_require_finite, help="Send at most this many per second."),
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Print what would be sent, and send nothing.")]
TrialOption = Annotated[
    bool,
    typer.Option(
        "--trial",
        help="A dry run that also writes the intents to the database in a transaction, and rolls it back.",
    ),
]
CanaryOption = Annotated[
    int | None,
    typer.Option("--canary", min=1, help="Send this many first, and the rest only if these were applied."),
]
CanarySecondsOption = Annotated[
    float,
    typer.Option(
        "--canary-seconds", min=1, callback=_require_finite, help="The longest wait for the canary's outcomes."
    ),
]
MaxReplaysOption = Annotated[
    int | None,
    typer.Option("--max-replays", min=1, help="Leave dead letters that were replayed this many times."),
]
ToOption = Annotated[str | None, typer.Option("--to", help="Send to another queue, given by its name or its URL.")]
EditOption = Annotated[
    str | None,
    typer.Option(
        "--edit", help="Edit each message before it is sent: a JMESPath expression, a JSON Patch, or @FILE."
    ),
]
NativeOption = Annotated[
    bool,
    typer.Option("--native", help="Let SQS itself move all dead letters; goes with --all and --rate only."),
]
RevealOption = Annotated[
    bool,
    typer.Option(
        "--reveal",
        help="With --edit and --dry-run or --trial, show the values that change, which can be personal data.",
    ),
]
