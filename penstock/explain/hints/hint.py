"""A hint: something that a plan, or a table, shows to be worth changing."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """A hint.

    Attributes:
        rule: which rule found it, as a stable word.
        problem: what was seen, in one sentence.
        way_out: what to do, in one sentence or as the SQL statement that does it.
        table: the table that it is about, with its schema; None if it is about no single one.
    """

    rule: str
    problem: str
    way_out: str
    table: str | None = None
