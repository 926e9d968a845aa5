"""A plan: its nodes, what each of them used, and the triggers that ran. It contains no value of an intent."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from penstock.explain.usage import Usage


@dataclass(frozen=True, slots=True)
class Node:
    """One node of a plan.

    Attributes:
        type: such as `Seq Scan`; for a write its command, such as `Insert`.
        schema: the schema of the table, if the node has a table.
        table: the table.
        alias: its name in the statement.
        index: the index that is scanned.
        subplan: what the node is to those above it, such as `CTE penstock_written`.
        cte: the common table expression that is scanned.
        function: whether rows are made by a function, such as those of the parameters.
        planned_rows: how many rows Postgres expected of each loop.
        rows: how many there were, in each loop; None if the statement was only planned.
        loops: how often the node ran.
        removed: how many rows its filters dropped in all loops.
        own: what it used without the nodes below it.
        total: what it used together with them.
        spilled_kb: how much of a sort or a hash did not fit in memory, in kilobytes.
        conditions: the conditions, with their constants masked.
        notes: what else is worth knowing, in words.
        children: the nodes below it.
    """

    type: str
    schema: str | None
    table: str | None
    alias: str | None
    index: str | None
    subplan: str | None
    cte: str | None
    function: bool
    planned_rows: float
    rows: float | None
    loops: int
    removed: float
    own: Usage
    total: Usage
    spilled_kb: int
    conditions: Mapping[str, str]
    notes: Sequence[str]
    children: Sequence["Node"]

    @property
    def name(self) -> str:
        """What the node does, and to what."""
        target = ".".join(part for part in (self.schema, self.table) if part) or self.cte
        words = [self.type, *(("on", target) if target else ()), *(("by", self.index) if self.index else ())]
        return f"{self.subplan}: {' '.join(words)}" if self.subplan else " ".join(words)

    def walk(self) -> Iterator["Node"]:
        """Yield this node and all nodes below it."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True, slots=True)
class TriggerTime:
    """The time that a trigger took.

    Attributes:
        name: the trigger's name, or that of the constraint that it checks.
        constraint: whether it checks a constraint.
        table: the table that has it.
        calls: how often it ran.
        ms: the milliseconds of all calls together.
    """

    name: str
    constraint: bool
    table: str | None
    calls: int
    ms: float


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan of a statement.

    Attributes:
        root: the uppermost node.
        triggers: the triggers that ran.
        planning_ms: how long the planning took, in milliseconds; None if Postgres does not say.
        execution_ms: how long the execution took, with the triggers; None if the statement was only planned.
        jit_ms: how much of that was the compilation of the plan to machine code.
        spent: the milliseconds by what they were spent on: tables, triggers and so on, the largest first.
    """

    root: Node
    triggers: Sequence[TriggerTime]
    planning_ms: float | None
    execution_ms: float | None
    jit_ms: float
    spent: Mapping[str, float]

    def share(self, ms: float) -> float:
        """Return the share of a time in that of the execution, from 0 to 1."""
        return min(1.0, ms / self.execution_ms) if self.execution_ms else 0.0
