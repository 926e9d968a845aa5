"""What a node of a plan used: time, buffers, temporary files, log; and its own part of it, without its children's.

Postgres reports for each node what it used together with the nodes below it. Two kinds of nodes are listed in one
place and executed in another: a common table expression by the scans of it, and an InitPlan by the node that needs
its result. What they used is contained in what those used.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

Raw = Mapping[str, Any]
"""A node as EXPLAIN prints it in JSON."""

_CTE: Final = "CTE "
_INIT: Final = "InitPlan "
_FOUND: Final = {
    "hit": ("Shared Hit Blocks", "Local Hit Blocks"),
    "read": ("Shared Read Blocks", "Local Read Blocks"),
    "dirtied": ("Shared Dirtied Blocks", "Local Dirtied Blocks"),
    "temp_read": ("Temp Read Blocks",),
    "temp_written": ("Temp Written Blocks",),
    "wal_bytes": ("WAL Bytes",),
}


class Usage(NamedTuple):
    """What was used.

    Attributes:
        ms: milliseconds, in all loops together.
        hit: blocks (of 8 kB) that were found in Postgres's cache.
        read: blocks that were not.
        dirtied: blocks that were changed for the first time since they were written.
        temp_read: blocks read from temporary files.
        temp_written: blocks written to temporary files.
        wal_bytes: bytes of the write-ahead log.
    """

    ms: float = 0
    hit: float = 0
    read: float = 0
    dirtied: float = 0
    temp_read: float = 0
    temp_written: float = 0
    wal_bytes: float = 0


class Meter:
    """Tells what each node of one plan used."""

    def __init__(self, root: Raw) -> None:
        """Find the common table expressions with their scans, and the InitPlans with the nodes that need them."""
        self._processes: dict[int, int] = {}
        self._ctes: dict[str, Raw] = {}
        self._scans: dict[str, list[Raw]] = {}
        self._needed: dict[int, list[Raw]] = {}
        for node, processes in _walk(root, 1):
            self._processes[id(node)] = processes
            if name := _cte_of(node):
                self._ctes[name] = node
            if "CTE Name" in node:
                self._scans.setdefault(node["CTE Name"], []).append(node)
        for node, _ in _walk(root, 1):
            for plan in children(node):
                if _is_init(plan):
                    self._needed.setdefault(id(_user_of(plan, node)), []).append(plan)

    def total(self, node: Raw) -> Usage:
        """Return what a node used together with the nodes below it; nothing if it was only planned."""
        # Parallel workers spend their time at once; the loops are those of all of them.
        ms = node.get("Actual Total Time", 0) * node.get("Actual Loops", 0) / self._processes[id(node)]
        blocks = {name: sum(node.get(key, 0) for key in keys) for name, keys in _FOUND.items()}
        return Usage(ms, **blocks)

    def own(self, node: Raw) -> Usage:
        """Return what a node used itself."""
        below = [child for child in children(node) if not (_cte_of(child) or _is_init(child))]
        others = [self.total(child) for child in below + self._needed.get(id(node), [])]
        if name := node.get("CTE Name"):
            others.append(self._part_of_cte(name, self.total(node)))
        used = [total - sum(parts) for total, *parts in zip(self.total(node), *others, strict=True)]
        return Usage(*(max(0, value) for value in used))

    def _part_of_cte(self, name: str, scanned: Usage) -> Usage:
        """Return the part of a common table expression that one of its scans used up."""
        if name not in self._ctes:
            return Usage()
        whole = self.total(self._ctes[name])
        scans = [sum(values) for values in zip(*map(self.total, self._scans[name]), strict=True)]
        parts = zip(whole, scanned, scans, strict=True)
        return Usage(*(cte * part / all_ if all_ else 0 for cte, part, all_ in parts))


def children(node: Raw) -> Sequence[Raw]:
    """Return the nodes below a node, among them the common table expressions that are listed there."""
    found: Sequence[Raw] = node.get("Plans", ())
    return found


def _cte_of(node: Raw) -> str | None:
    """Return the name of the common table expression that a node is; None for any other node."""
    name = node.get("Subplan Name", "")
    return str(name).removeprefix(_CTE) if str(name).startswith(_CTE) else None


def _is_init(node: Raw) -> bool:
    return str(node.get("Subplan Name", "")).startswith(_INIT)


def _user_of(plan: Raw, above: Raw) -> Raw:
    """Return the node that needs the result of an InitPlan: the lowest one that names it, or that lists it."""
    found = re.match(r"(InitPlan \d+)(?: \(returns (\$\d+))?", plan["Subplan Name"])
    names = [name for name in found.groups() if name] if found else []
    pattern = re.compile("|".join(f"{re.escape(name)}(?!\\d)" for name in names) or "(?!)")
    users = [node for node, _ in _walk(above, 1) if node is not plan and pattern.search(_expressions(node))]
    return users[-1] if users else above


def _expressions(node: Raw) -> str:
    texts = (value for key, value in node.items() if key not in {"Plans", "Subplan Name"})
    return " ".join(str(value) for value in texts if isinstance(value, str | list))


def _walk(node: Raw, processes: int) -> Iterator[tuple[Raw, int]]:
    """Yield each node, and in how many processes it ran."""
    yield node, processes
    below = processes + node.get("Workers Launched", 0)
    for child in children(node):
        yield from _walk(child, below)
