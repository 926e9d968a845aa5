"""Hints that a plan itself gives: where the time went, rows that were read in vain, estimates, temporary files."""

from collections.abc import Callable, Iterator
from typing import Final

from penstock.explain.hints.catalog import TableFacts
from penstock.explain.hints.hint import Hint
from penstock.explain.plan import Node, Plan

MANY_ROWS: Final = 1000
"""A scan that reads fewer rows in vain costs less than the index that would spare it."""
_IN_VAIN: Final = 0.9
_LARGE_SHARE: Final = 0.25
_LARGE_JIT_SHARE: Final = 0.1
_LEAST_MS: Final = 1.0
"""Below a millisecond a share says little: it is another one in each run."""
_BAD_ESTIMATE: Final = 10

Facts = Callable[[str, str], TableFacts | None]
"""Reads what the planner knows of a table, given its schema and its name."""


def plan_hints(plan: Plan, facts: Facts) -> Iterator[Hint]:
    """Yield the hints of a plan that was executed."""
    yield from _trigger_hints(plan)
    yield from _jit_hints(plan)
    for node in plan.root.walk():
        yield from _spill_hints(node)
        found = facts(node.schema, node.table) if node.schema and node.table else None
        if found is not None:
            yield from _scan_hints(node, found)
            yield from _estimate_hints(node, found)


def _trigger_hints(plan: Plan) -> Iterator[Hint]:
    for trigger in plan.triggers:
        share = plan.share(trigger.ms)
        if share < _LARGE_SHARE or trigger.ms < _LEAST_MS:
            continue
        what = "constraint" if trigger.constraint else "trigger"
        way_out = (
            "see that the columns on both sides of the foreign key have an index, and the same type"
            if trigger.constraint
            else "make its function cheaper, have it run once per statement (FOR EACH STATEMENT with a transition "
            "table), or do its work in a process of its own"
        )
        yield Hint(
            rule="trigger-share",
            problem=f"the {what} {trigger.name!r} takes {share:.0%} of the time: "
            f"{trigger.ms / max(trigger.calls, 1):.3g} ms for each of {trigger.calls:,} calls",
            way_out=way_out,
            table=trigger.table,
        )


def _jit_hints(plan: Plan) -> Iterator[Hint]:
    share = plan.share(plan.jit_ms)
    if share >= _LARGE_JIT_SHARE and plan.jit_ms >= _LEAST_MS:
        yield Hint(
            rule="jit",
            problem=f"Postgres spends {share:.0%} of the time on compiling the plan, which is used once",
            way_out="ALTER ROLE … SET jit = off, for the role of the consumer",
        )


def _spill_hints(node: Node) -> Iterator[Hint]:
    if node.spilled_kb:
        yield Hint(
            rule="spill",
            problem=f"{node.type} needs more than work_mem: {node.spilled_kb:,} kB go through temporary files",
            way_out="write smaller batches, or ALTER ROLE … SET work_mem = '…MB', for the role of the consumer",
        )


def _scan_hints(node: Node, facts: TableFacts) -> Iterator[Hint]:
    """Find a scan of a whole table, or of a whole index, that drops nearly all that it reads."""
    read = (node.rows or 0) * node.loops + node.removed
    whole = node.type.endswith("Seq Scan") or (node.index is not None and "Index Cond" not in node.conditions)
    if not whole or read < MANY_ROWS:
        return
    if node.removed >= read * _IN_VAIN:
        where = node.conditions.get("Filter", "")
        yield _scan_hint(node, facts, f"reads {read:,.0f} rows and drops {node.removed:,.0f} of them", where)
    elif node.loops > 1:
        yield _scan_hint(node, facts, f"reads the whole table {node.loops:,} times, {read:,.0f} rows in all", "")


def _scan_hint(node: Node, facts: TableFacts, problem: str, where: str) -> Hint:
    named = [name for name, quoted in facts.columns.items() if _names(where, node, quoted)]
    columns = ", ".join(facts.columns[name] for name in named) or "…"
    indexed = [name for name in named if name in facts.leading]
    way_out = (
        f"an index begins with {facts.columns[indexed[0]]}, and Postgres does not use it: ANALYZE {facts.name}, "
        "and compare the types and the collations of both sides"
        if indexed
        else f"CREATE INDEX CONCURRENTLY ON {facts.name} ({columns})"
    )
    condition = f" ({where})" if where else ""
    return Hint(
        rule="sequential-scan",
        problem=f"{node.type} {problem}{condition}",
        way_out=way_out,
        table=facts.name,
    )


def _names(where: str, node: Node, quoted: str) -> bool:
    """Return whether a condition names a column, with the alias of its table before it."""
    return any(f"{alias}.{quoted}" in _words(where) for alias in _aliases(node))


def _words(where: str) -> set[str]:
    return {word.strip("()") for word in where.replace("::", " ").split()}


def _aliases(node: Node) -> set[str]:
    return {name for name in (node.alias, f'"{node.alias}"') if name}


def _estimate_hints(node: Node, facts: TableFacts) -> Iterator[Hint]:
    """Find a scan that returns many more or fewer rows than what joins it was planned for."""
    if "Scan" not in node.type or node.rows is None or not node.loops:
        return
    expected, actual = max(node.planned_rows, 1), max(node.rows, 1)
    too_few = actual >= expected * _BAD_ESTIMATE and actual * node.loops >= MANY_ROWS
    # Postgres expects some rows of any table that has no statistics, also of an empty one.
    too_many = expected >= actual * _BAD_ESTIMATE and expected >= MANY_ROWS and facts.analyzed
    if not (too_few or too_many):
        return
    never = "" if facts.analyzed else ", and the table has no statistics yet"
    yield Hint(
        rule="row-estimate",
        problem=f"{node.type} was expected to return {expected:,.0f} rows and returns {actual:,.0f}{never}",
        way_out=f"ANALYZE {facts.name}"
        + (
            ""
            if not facts.analyzed
            else "; if that does not help, CREATE STATISTICS on the columns of its condition"
        ),
        table=facts.name,
    )
