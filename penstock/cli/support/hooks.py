"""The hook `on_transition` of a service, called for what an operator did to its breaker."""

from datetime import UTC, datetime

from penstock.cli.support.errors import USAGE, Failure
from penstock.cli.support.output import echo_err
from penstock.cli.support.service import import_drain
from penstock.consumer.breaker.event_source import OPERATOR, EventSourceMapping
from penstock.consumer.breaker.manual import BreakerStatus
from penstock.diagnosis import where

HOOK_SECONDS = 5.0
"""How long the hook may take."""


def tell_transition(mapping: EventSourceMapping, before: BreakerStatus, position: str, why: str | None) -> None:
    """Call the hook of the service in this folder, if the breaker has moved. Never raises.

    A folder without a drain has no hook. What fails is said on stderr: the breaker has moved already.
    """
    if before.position == position:
        return
    try:
        hook = import_drain(None).hooks.on_transition
    except Failure as failure:
        if failure.code != USAGE:
            echo_err(f"the hook on_transition was not called: {failure}")
        return
    except Exception as error:  # noqa: BLE001 (the configuration of the service, which the breaker does not need)
        echo_err(f"the hook on_transition was not called: {where(error)}")
        return
    if hook:
        from penstock.consumer.hooks import HookCalls, Hooks, Transition  # noqa: PLC0415 (few services have one)

        calls = HookCalls(lambda: Hooks(on_transition=hook))
        calls.transition(
            Transition(position=position, by=OPERATOR, why=why, at=datetime.now(UTC), mapping=mapping.uuid)
        )
        calls.run(HOOK_SECONDS + 1)
