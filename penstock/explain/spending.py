"""Where the time of a statement went: which tables, which triggers, and what is the framework's."""

from collections.abc import Sequence
from typing import Final

from penstock.explain.plan import Node, TriggerTime

FRAMEWORK: Final = "penstock's own tables"
PARAMETERS: Final = "parameters to rows"
_REST: Final = "sorts, joins and the rest"
_OWN_SCHEMA: Final = "penstock"


def spent_on(root: Node, triggers: Sequence[TriggerTime], execution_ms: float) -> dict[str, float]:
    """Return the milliseconds by what they were spent on, the largest first.

    Args:
        root: the uppermost node of a plan.
        triggers: the triggers that ran.
        execution_ms: how long the execution took, with the triggers.
    """
    spent: dict[str, float] = {}
    for node in root.walk():
        spent[_subject(node)] = spent.get(_subject(node), 0) + node.own.ms
    _take_out_inner_triggers(spent, triggers, execution_ms)
    for trigger in triggers:
        name = f"{'constraint' if trigger.constraint else 'trigger'} {trigger.name}"
        spent[name] = spent.get(name, 0) + trigger.ms
    found = {name: ms for name, ms in spent.items() if ms}
    return dict(sorted(found.items(), key=lambda pair: -pair[1]))


def _take_out_inner_triggers(
    spent: dict[str, float], triggers: Sequence[TriggerTime], execution_ms: float
) -> None:
    """Take the time of triggers out of that of their tables, where it is counted twice.

    A BEFORE trigger runs inside of the node that writes, an AFTER trigger outside of it. Postgres does not say
    which one a trigger is, but all times together are no more than that of the execution.
    """
    too_much = sum(spent.values()) + sum(one.ms for one in triggers) - execution_ms
    for trigger in sorted(triggers, key=lambda one: -one.ms):
        table = next((name for name in spent if trigger.table and name.endswith(f".{trigger.table}")), None)
        if table is not None and too_much > trigger.ms / 2 and spent[table] > trigger.ms / 2:
            spent[table] = max(0, spent[table] - trigger.ms)
            too_much -= trigger.ms


def _subject(node: Node) -> str:
    if node.schema == _OWN_SCHEMA:
        return FRAMEWORK
    if node.table:
        return f"{node.schema}.{node.table}" if node.schema else node.table
    return PARAMETERS if node.function else _REST
