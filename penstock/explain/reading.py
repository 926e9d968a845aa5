"""Reading a plan from what EXPLAIN prints as JSON.

Only what is named here is taken over from Postgres: names, numbers, and conditions whose constants are masked.
The columns of a node's output and the arguments of its functions are left out, since they contain the intents.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from penstock.explain.masking import mask
from penstock.explain.plan import Node, Plan, TriggerTime
from penstock.explain.spending import spent_on
from penstock.explain.usage import Meter, Raw, children

_CONDITIONS: Final = (
    "Index Cond",
    "Recheck Cond",
    "Hash Cond",
    "Merge Cond",
    "Join Filter",
    "Filter",
    "One-Time Filter",
    "Conflict Filter",
    "Sort Key",
    "Group Key",
)
_OF_FUNCTIONS: Final = {"Function Scan", "Table Function Scan", "ProjectSet"}


def read_plan(explained: Any) -> Plan:
    """Take over a plan from what `EXPLAIN (FORMAT JSON)` returns.

    Args:
        explained: the parsed JSON: a list with one object.
    """
    whole: Raw = explained[0]
    root = _node(whole["Plan"], Meter(whole["Plan"]))
    triggers = [_trigger(one) for one in whole.get("Triggers", ())]
    execution_ms = whole.get("Execution Time")
    return Plan(
        root=root,
        triggers=triggers,
        planning_ms=whole.get("Planning Time"),
        execution_ms=execution_ms,
        jit_ms=whole.get("JIT", {}).get("Timing", {}).get("Total", 0),
        spent=spent_on(root, triggers, execution_ms or 0),
    )


def _node(raw: Raw, meter: Meter) -> Node:
    below = [_node(child, meter) for child in children(raw)]
    loops = raw.get("Actual Loops", 0)
    removed = sum(raw.get(f"Rows Removed by {name}", 0) for name in ("Filter", "Join Filter", "Index Recheck"))
    return Node(
        type=_type(raw),
        schema=raw.get("Schema"),
        table=raw.get("Relation Name"),
        alias=raw.get("Alias"),
        index=raw.get("Index Name"),
        subplan=raw.get("Subplan Name"),
        cte=raw.get("CTE Name"),
        function=raw["Node Type"] in _OF_FUNCTIONS,
        planned_rows=raw.get("Plan Rows", 0),
        rows=raw.get("Actual Rows"),
        loops=int(loops),
        removed=removed * loops,
        own=meter.own(raw),
        total=meter.total(raw),
        spilled_kb=_spilled_kb(raw),
        conditions={key: _condition(raw[key]) for key in _CONDITIONS if key in raw},
        notes=list(_notes(raw)),
        children=below,
    )


def _type(raw: Raw) -> str:
    if raw["Node Type"] == "ModifyTable":
        return str(raw.get("Operation", "Write"))
    # A plan in JSON calls these by their strategy; the text form has the names that everybody knows.
    strategy = {"Hashed": "Hash", "Sorted": "Group", "Mixed": "Mixed "}.get(raw.get("Strategy", ""), "")
    parallel = "Parallel " if raw.get("Parallel Aware") else ""
    join = raw.get("Join Type", "Inner")
    kind = raw["Node Type"] + (f" {join}" if join != "Inner" else "")
    return f"{parallel}{strategy if kind == 'Aggregate' else ''}{kind}"


def _condition(value: str | Sequence[str]) -> str:
    return mask(value if isinstance(value, str) else ", ".join(value))


def _spilled_kb(raw: Raw) -> int:
    if raw.get("Sort Space Type") == "Disk":
        return int(raw["Sort Space Used"])
    # Each batch but one waits in a temporary file.
    batches = raw.get("Hash Batches", 1)
    hashed = raw.get("Peak Memory Usage", 0) * (batches - 1)
    groups = (raw.get("Full-sort Groups") or {}).get("Sort Space Disk") or {}
    return int(raw.get("Disk Usage") or hashed or groups.get("Peak Sort Space Used") or 0)


def _notes(raw: Raw) -> Iterator[str]:
    if "Sort Method" in raw:
        yield f"{raw['Sort Method']}, {raw['Sort Space Used']:,} kB {str(raw['Sort Space Type']).lower()}"
    if raw.get("Hash Batches", 1) > 1:
        yield f"{raw['Hash Batches']} batches"
    if "Conflict Resolution" in raw:
        indexes = ", ".join(raw.get("Conflict Arbiter Indexes", ()))
        yield f"on conflict {str(raw['Conflict Resolution']).lower()}{f' by {indexes}' if indexes else ''}"
    if "Tuples Inserted" in raw:
        yield f"{raw['Tuples Inserted']:,.0f} inserted, {raw['Conflicting Tuples']:,.0f} in conflict"
    if raw.get("Heap Fetches"):
        yield f"{raw['Heap Fetches']:,.0f} heap fetches"
    if raw.get("Workers Planned"):
        yield f"{raw.get('Workers Launched', 0)} of {raw['Workers Planned']} workers"
    if raw.get("Subplans Removed"):
        yield f"{raw['Subplans Removed']} partitions pruned"


def _trigger(raw: Raw) -> TriggerTime:
    constraint = raw.get("Constraint Name")
    name = constraint or raw.get("Trigger Name", "")
    return TriggerTime(
        str(name), constraint is not None, raw.get("Relation"), int(raw.get("Calls", 0)), raw.get("Time", 0)
    )
