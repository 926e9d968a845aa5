"""`penstock breaker`: how the breaker stands, and turning the drain off and on by hand."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer

from penstock.cli.support.actor import actor
from penstock.cli.support.breaker import mapping_of, phrase
from penstock.cli.support.confirm import confirm
from penstock.cli.support.errors import CONFLICT, Failure
from penstock.cli.support.options import JsonOption, NoInputOption, Target, YesOption, on_stage
from penstock.cli.support.output import print_line
from penstock.consumer.breaker.manual import (
    BreakerBusy,
    BreakerSlow,
    BreakerStatus,
    BreakerUnmarked,
    breaker_status,
    close_breaker,
    open_breaker,
)

app = typer.Typer(
    help="See how the breaker stands; turn the drain off and on by hand.",
    epilog="Examples: penstock breaker status · penstock breaker open --reason 'index build' · "
    "penstock breaker close",
    no_args_is_help=True,
)

_PATIENCE_SECONDS = 120.0
"""Lambda takes up to a minute or so to turn a mapping on or off."""


@app.callback()
def group() -> None:
    """See how the breaker stands; turn the drain off and on by hand."""


@app.command("status", epilog="Examples: penstock breaker status · penstock breaker status --stage dev --json")
@on_stage
def status_(*, at: Target, as_json: JsonOption = False) -> None:
    """Say whether the drain is on, and if not, who turned it off and why.

    `closed`: it is on. `half-open`: it is on again, on trial. `changing`: Lambda is at it. `open`: it is off, by
    the `breaker`, which the probe closes once the database is well; by an `operator`, until `penstock breaker
    close`; or by `somebody` who left no word.
    """
    _print(breaker_status(mapping_of(at.open())), as_json=as_json)


@app.command("open", epilog="Example: penstock breaker open --reason 'index build' --stage dev")
@on_stage
def open_(
    *,
    at: Target,
    reason: Annotated[str, typer.Option("--reason", help="Why; it is written on the mapping for others to see.")],
    yes: YesOption = False,
    no_input: NoInputOption = False,
    as_json: JsonOption = False,
) -> None:
    """Turn the drain off until `penstock breaker close`: the probe does not turn it on again.

    Intents are taken as ever, and wait on the queue. Batches that are under way are finished.
    """
    stage = at.open()
    confirm(f"Turn off the drain of {stage.stack}?", yes=yes, no_input=no_input, needs="to open the breaker")
    word = f"{actor(stage)} {datetime.now(UTC).isoformat(timespec='seconds')} {reason}"
    mapping = mapping_of(stage)
    _tell(_order(lambda: open_breaker(mapping, word, seconds=_PATIENCE_SECONDS)))
    _print(breaker_status(mapping), as_json=as_json)


@app.command("close", epilog="Examples: penstock breaker close · penstock breaker close --stage dev")
@on_stage
def close_(*, at: Target, as_json: JsonOption = False) -> None:
    """Turn the drain on, whoever turned it off, and take every mark away.

    If the database is still unwell, the drain trips the breaker again, and the probe closes it in time.
    """
    mapping = mapping_of(at.open())
    _tell(_order(lambda: close_breaker(mapping, seconds=_PATIENCE_SECONDS)))
    _print(breaker_status(mapping), as_json=as_json)


def _order(order: Callable[[], BreakerStatus]) -> BreakerStatus:
    """Carry out an order; return how the breaker stood before.

    Raises:
        Failure: the mapping is being changed, or Lambda takes too long.
        botocore.exceptions.ClientError: AWS refused; what was done by then has been told.
    """
    try:
        return order()
    except BreakerBusy as error:
        raise Failure(f"{error}; nothing was done. Try again in a minute", CONFLICT) from error
    except BreakerUnmarked as error:
        typer.echo(f"{error}: `penstock breaker close` turns it on again", err=True)
        raise (error.__cause__ or error) from None
    except BreakerSlow as error:
        raise Failure(f"{error}\n`penstock breaker status` shows what becomes of it") from error


def _tell(before: BreakerStatus) -> None:
    typer.echo(f"before: {phrase(before)}", err=True)


def _print(status: BreakerStatus, *, as_json: bool) -> None:
    row = asdict(status)
    for line in [row] if as_json else row.items():
        print_line(line, as_json=as_json)
