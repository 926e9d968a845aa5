"""What intents wait for that the drain has tried and returned to the queue."""

from typing import Final

from penstock.cli.support.output import escape_control, format_duration
from penstock.database.ledger_stats import WaitingCause

_OF_A_DEPLOYMENT: Final = frozenset({"DeploymentFault", "SchemaFault", "TableFault", "SharedFault"})
"""Faults for which code, schema and permissions disagree: what waits for them waits for a person."""


def waits_for_a_deployment(cause: WaitingCause) -> bool:
    """Return whether intents wait until code, schema or permissions are mended, which a person has to do."""
    return cause.fault in _OF_A_DEPLOYMENT


def describe_waiting(cause: WaitingCause, at: float) -> str:
    """Return what some intents wait for, such as `UndefinedColumn 42703: column path (2 x page.viewed, 2m)`."""
    names = f"{cause.reason or cause.fault} {cause.sqlstate or ''}".strip()
    places = ", ".join(
        f"{word} {name}" for word, name in (("table", cause.table), ("column", cause.column)) if name
    )
    since = format_duration(max(0.0, at - cause.since.timestamp()))
    return escape_control(f"{names}{': ' * bool(places)}{places} ({cause.count:,} x {cause.kind}, {since})")
