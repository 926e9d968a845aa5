"""`penstock breaker`: the breaker's state, and turning the drain off and on by hand."""

from dataclasses import asdict
from typing import Annotated

import typer

from penstock.cli.operate.breaker import turn_off, turn_on
from penstock.cli.support.actor import actor
from penstock.cli.support.breaker import format_breaker, mapping_of
from penstock.cli.support.confirm import confirm
from penstock.cli.support.hooks import tell_transition
from penstock.cli.support.options import JsonOption, NoInputOption, Target, YesOption, on_stage
from penstock.cli.support.output import echo_err
from penstock.cli.support.record import print_record
from penstock.consumer.breaker.event_source import CLOSED, OPEN
from penstock.consumer.breaker.manual import breaker_status

app = typer.Typer(
    help="Show the breaker's state; turn the drain off and on by hand.",
    epilog="Examples: penstock breaker status · penstock breaker open --reason 'index build' · "
    "penstock breaker close",
    no_args_is_help=True,
)


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
    mapping = mapping_of(stage)
    before = turn_off(mapping, actor(stage), reason)
    echo_err(f"before: {format_breaker(before)}")
    after = breaker_status(mapping)
    print_record(asdict(after), as_json=as_json)
    tell_transition(mapping, before, OPEN, after.why)


@app.command("close", epilog="Examples: penstock breaker close · penstock breaker close --stage dev")
@on_stage
def close_(*, at: Target, as_json: JsonOption = False) -> None:
    """Turn the drain on, even if another operator turned it off, and remove every mark.

    If the database is still unwell, the drain trips the breaker again. The probe closes it later.
    """
    mapping = mapping_of(at.open())
    before = turn_on(mapping)
    echo_err(f"before: {format_breaker(before)}")
    print_record(asdict(breaker_status(mapping)), as_json=as_json)
    tell_transition(mapping, before, CLOSED, before.why)
