"""The sum of a run: each message that was read has its place in it."""

from collections.abc import Mapping
from typing import Any

from penstock.cli.support.output import echo_err
from penstock.deadletters.scan.passed_over import PassedOver


def report_sum(seen: int, counts: Mapping[Any, int], passed_over: PassedOver, *, unparsed: int) -> None:
    """Print on stderr what became of the messages that a run read, unless all of them had an outcome and an id.

    Args:
        seen: the number of messages that were read.
        counts: the number of selected dead letters by outcome.
        passed_over: those that were read and not selected.
        unparsed: how many of the selected ones cannot be parsed.
    """
    outcomes = {str(name): count for name, count in counts.items()}
    # A page has more messages than the limit lets a run take.
    unreached = max(seen - sum(outcomes.values()) - passed_over.count, 0)
    all_unparsed = unparsed + passed_over.unparsed
    if not (passed_over.count or unreached or all_unparsed):
        return
    parts = outcomes | {"not selected": passed_over.count, "not reached": unreached}
    echo_err(f"{seen} read = {' + '.join(f'{count} {name}' for name, count in parts.items() if count) or 0}")
    if all_unparsed:
        echo_err(
            f"{all_unparsed} of these cannot be parsed, so that they have no id: {unparsed} selected, "
            f"{passed_over.unparsed} not selected."
        )
