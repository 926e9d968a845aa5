"""`penstock breaker`: the breaker's state, and turning the drain off and on by hand."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer

from penstock.cli.support.actor import actor
from penstock.cli.support.breaker import format_breaker, mapping_of
from penstock.cli.support.confirm import confirm
from penstock.cli.support.errors import CONFLICT, Failure
from penstock.cli.support.options import JsonOption, NoInputOption, Target, YesOption, on_stage
from penstock.cli.support.output import echo_err, print_record
from penstock.consumer.breaker.manual import (
    BreakerBusy,
    BreakerSlow,
    BreakerUnmarked,
    breaker_status,
    close_breaker,
    open_breaker,
)

app = typer.Typer(
    help="Show the breaker's state; turn the drain off and on by hand.",
    epilog="Examples: penstock breaker status · penstock breaker open --reason 'index build' · "
    "penstock breaker close",
    no_args_is_help=True,
)

_TIMEOUT_SECONDS = 120.0
"""Lambda takes up to about a minute to turn a mapping on or off."""


@app.callback()
def group() -> None:
    """Show the breaker's state; turn the drain off and on by hand."""


@app.command("status", epilog="Examples: penstock breaker status · penstock breaker status --stage dev --json")
@on_stage
def status_(*, at: Target, as_json: JsonOption = False) -> None:
    """Show whether the drain is on, and if it is off, who turned it off and why.

    `closed`: the drain is on. `half-open`: it is on again, on trial. `changing`: Lambda is turning it on or off.
    `open`: it is off. The `breaker` turned it off because the database was unwell, and the probe turns it on
    again. An `operator` turned it off until `penstock breaker close`. `somebody` turned it off by other means.
    """
    print_record(asdict(breaker_status(mapping_of(at.open()))), as_json=as_json)


@app.command("open", epilog="Example: penstock breaker open --reason 'index build' --stage dev")
@on_stage
def open_(
    *,
    at: Target,
    reason: Annotated[str, typer.Option("--reason", help="The reason, a tag on the mapping that others can see.")],
    yes: YesOption = False,
    no_input: NoInputOption = False,
    as_json: JsonOption = False,
) -> None:
    """Turn the drain off until `penstock breaker close`: the probe does not turn it on again.

    Intents are still accepted, and wait on the queue. Batches that have begun are finished.
    """
    stage = at.open()
    confirm(f"Turn off the drain of {stage.stack}?", yes=yes, no_input=no_input, needs="opening the breaker")
    mark = f"{actor(stage)} {datetime.now(UTC).isoformat(timespec='seconds')} {reason}"
    mapping = mapping_of(stage)
    with _translate_errors():
        before = open_breaker(mapping, mark, seconds=_TIMEOUT_SECONDS)
    echo_err(f"before: {format_breaker(before)}")
    print_record(asdict(breaker_status(mapping)), as_json=as_json)


@app.command("close", epilog="Examples: penstock breaker close · penstock breaker close --stage dev")
@on_stage
def close_(*, at: Target, as_json: JsonOption = False) -> None:
    """Turn the drain on, even if another operator turned it off, and remove every mark.

    If the database is still unwell, the drain trips the breaker again. The probe closes it later.
    """
    mapping = mapping_of(at.open())
    with _translate_errors():
        before = close_breaker(mapping, seconds=_TIMEOUT_SECONDS)
    echo_err(f"before: {format_breaker(before)}")
    print_record(asdict(breaker_status(mapping)), as_json=as_json)


@contextmanager
def _translate_errors() -> Iterator[None]:
    """Turn the errors of opening and closing the breaker into a `Failure`.

    Raises:
        Failure: the mapping is being changed, or Lambda takes too long.
        botocore.exceptions.ClientError: AWS refused; if the drain is off by then, stderr says so.
    """
    try:
        yield
    except BreakerBusy as error:
        raise Failure(f"{error}; nothing was done. Try again in a minute", CONFLICT) from error
    except BreakerUnmarked as error:
        echo_err(f"{error}: `penstock breaker close` turns it on again")
        raise (error.__cause__ or error) from None
    except BreakerSlow as error:
        raise Failure(f"{error}\n`penstock breaker status` shows whether it is done") from error
