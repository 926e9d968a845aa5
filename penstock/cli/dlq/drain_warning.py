"""The warning before a replay whose messages the drain would not write now."""

from penstock.cli.operate.drain_state import DrainState
from penstock.cli.support.confirm import can_ask, confirm
from penstock.cli.support.output import echo_err


def warn_of_drain(state: DrainState, *, yes: bool, no_input: bool, asked_anyway: bool) -> None:
    """Print on stderr what stands in the way of a replay, and ask on a terminal whether to go on.

    Args:
        state: what is known of the drain.
        yes: whether --yes was given.
        no_input: whether --no-input was given.
        asked_anyway: whether the command asks for a confirmation in any case, so that it need not ask twice.

    Raises:
        Failure: the answer is no, or --no-input forbids the question.
    """
    for text in state.unread:
        echo_err(f"not known before this replay: {text}")
    for text in state.obstacles:
        echo_err(f"Warning: {text}.")
    if state.obstacles and not asked_anyway and (no_input or can_ask()):
        needs = "a replay that the drain does not write now"
        confirm("Replay anyway?", yes=yes, no_input=no_input, needs=needs)
