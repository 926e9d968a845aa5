"""Plans: what each node used itself, and what is left out of them."""

from typing import Any

from penstock.explain.reading import read_plan
from penstock.explain.spending import FRAMEWORK, PARAMETERS
from penstock.explain.tree import Strokes, draw, format_bytes, format_count, format_ms, strokes_for

SECRET = "hunter2"


def node(type_: str, ms: float, *plans: dict[str, Any], loops: int = 1, **more: Any) -> dict[str, Any]:
    """Return a node as Postgres explains it."""
    times = {"Actual Total Time": ms, "Actual Loops": loops, "Actual Rows": 1.0, "Plan Rows": 1}
    return {"Node Type": type_, **times, "Plans": list(plans), **{k.replace("_", " "): v for k, v in more.items()}}


def whole(plan: dict[str, Any], ms: float, **more: Any) -> list[dict[str, Any]]:
    return [{"Plan": plan, "Execution Time": ms, "Planning Time": 1.0, **more}]


def own(plan: dict[str, Any]) -> dict[str, float]:
    """Return each node's own time, by its type."""
    return {one.type: round(one.own.ms, 6) for one in read_plan(whole(plan, 100)).root.walk()}


def test_a_nodes_own_time_is_without_that_of_its_children() -> None:
    """The time of a node is for each loop; its own time is all of it without that of the nodes below."""
    assert own(node("A", 10, node("B", 2, loops=3), node("C", 1))) == {"A": 3, "B": 6, "C": 1}


def test_a_cte_is_part_of_its_scans() -> None:
    """The time of a common table expression is not that of the node that lists it, but that of its scans."""
    plan = node(
        "Top",
        10,
        node("Made", 4, Subplan_Name="CTE x", Parent_Relationship="InitPlan"),
        node("First", 6, CTE_Name="x"),
        node("Second", 2, CTE_Name="x"),
    )
    assert own(plan) == {"Top": 2, "Made": 4, "First": 3, "Second": 1}


def test_a_cte_that_nothing_scans_is_no_part_of_another_node() -> None:
    """A write that is executed at the end of a statement has its time for itself."""
    assert own(node("Top", 1, node("Write", 5, Subplan_Name="CTE w"))) == {"Top": 1, "Write": 5}


def test_an_init_plan_is_part_of_the_node_that_needs_it() -> None:
    """The time of an InitPlan belongs to the lowest node that names its result, by its number or its parameter."""
    for name, use in (("InitPlan 1", "(InitPlan 1).col1"), ("InitPlan 1 (returns $3)", "$3")):
        init = node("Init", 4, Subplan_Name=name)
        plan = node("Top", 10, init, node("Middle", 9, node("Low", 8, Output=[f"CASE WHEN {use}"]), Output=[use]))
        assert own(plan) == {"Top": 1, "Init": 4, "Middle": 1, "Low": 4}
    other = node(
        "Top", 10, node("Init", 4, Subplan_Name="InitPlan 1"), node("Low", 2, Filter="(InitPlan 12).col1")
    )
    assert own(other) == {"Top": 4, "Init": 4, "Low": 2}


def test_parallel_workers_spend_their_time_at_once() -> None:
    """The time of a node that several processes ran is that of one of them."""
    gather = node("Gather", 10, node("Seq Scan", 8, loops=3), Workers_Launched=2, Workers_Planned=2)
    assert own(gather) == {"Gather": 2, "Seq Scan": 8}


def test_where_the_time_went_is_added_up() -> None:
    """The time of each table, of parameters and of each trigger has its sum, the largest first."""
    plan = node(
        "ModifyTable",
        9,
        node("Function Scan", 2, node("ProjectSet", 1)),
        node("Seq Scan", 3, Schema="public", Relation_Name="orders"),
        Operation="Insert",
        Schema="penstock",
        Relation_Name="ledger",
    )
    triggers = [{"Trigger Name": "t", "Relation": "orders", "Time": 5.0, "Calls": 2}]
    found = read_plan(whole(plan, 20, Triggers=triggers))
    assert found.spent == {"trigger t": 5, FRAMEWORK: 4, "public.orders": 3, PARAMETERS: 2}
    assert [*found.spent] == ["trigger t", FRAMEWORK, "public.orders", PARAMETERS]
    assert found.share(5) == 0.25


def test_a_trigger_inside_of_a_node_is_counted_once() -> None:
    """The time of a BEFORE trigger is taken out of that of its table, and that of an AFTER trigger is not."""
    write = node("ModifyTable", 9, Operation="Insert", Schema="public", Relation_Name="orders")
    triggers = [{"Trigger Name": "t", "Relation": "orders", "Time": 8.0, "Calls": 2}]
    inside = read_plan(whole(write, 10, Triggers=triggers))
    assert inside.spent == {"trigger t": 8, "public.orders": 1}
    outside = read_plan(whole(write, 18, Triggers=triggers))
    assert outside.spent == {"public.orders": 9, "trigger t": 8}


def test_only_what_is_known_is_taken_over() -> None:
    """Outputs, arguments of functions, and keys of a newer Postgres are left out; constants are masked."""
    more = {
        "Output": [f"'{SECRET}'::text"],
        "Function Call": f"unnest('{{{SECRET}}}'::text[])",
        "Table Function Call": SECRET,
        "Brand New Key": SECRET,
        "Filter": f"(a = '{SECRET}'::text)",
        "Sort Key": [f"(a = '{SECRET}'::text)", "b"],
    }
    found = read_plan(whole(node("Function Scan", 1) | more, 1))
    assert SECRET not in repr(found)
    assert found.root.conditions == {"Filter": "(a = ?::text)", "Sort Key": "(a = ?::text), b"}


def test_what_did_not_fit_in_memory_is_known() -> None:
    """The space of a sort on disk, of the batches of a hash, and of an aggregate on disk is read in kilobytes."""
    sort = {"Sort Method": "external merge", "Sort Space Used": 70, "Sort Space Type": "Disk"}
    for spilled, kilobytes in (
        (sort, 70),
        (sort | {"Sort Space Type": "Memory"}, 0),
        ({"Hash Batches": 4, "Peak Memory Usage": 10}, 30),
        ({"Disk Usage": 5}, 5),
    ):
        assert read_plan(whole(node("X", 1) | spilled, 1)).root.spilled_kb == kilobytes


def test_a_tree_fits_a_narrow_terminal() -> None:
    """No line is wider than the terminal, with long conditions shortened, and all in ASCII if need be."""
    condition = "(a_long_name.column_of_it = another_long_name.column_of_it) AND " * 9
    deep = node("Index Scan", 1, Relation_Name="t" * 70, Filter=condition)
    plan = read_plan(whole(node("Sort", 9, node("Hash Join", 8, deep, node("Result", 1))), 10))
    for width in (40, 64):
        lines = [f"{line.lead}{line.text}" for line in draw(plan, width, Strokes())]
        assert max(map(len, lines)) <= width
        assert "..." in lines[-4] or any(line.endswith("...") for line in lines)
    assert all(f"{line.lead}{line.text}".isascii() for line in draw(plan, 64, strokes_for("iso8859-1")))
    assert strokes_for("UTF-8") == Strokes()


def test_what_never_ran_takes_one_line() -> None:
    """The nodes below one that never ran are left out."""
    plan = read_plan(whole(node("Top", 1, node("Hash", 0, node("Below", 0, loops=0), loops=0)), 1))
    assert [line.text for line in draw(plan, 80, Strokes())][-1] == "Hash (never executed)"


def test_figures_are_short() -> None:
    """Times, counts and sizes have the unit that fits them."""
    assert [format_ms(ms) for ms in (0.004, 0.5, 12.345, 1234, 45_678)] == [
        "0.00 ms",
        "0.50 ms",
        "12.3 ms",
        "1.23 s",
        "45.7 s",
    ]
    assert [format_count(count) for count in (0, 1234, 2_345_678)] == ["0", "1,234", "2.3M"]
    assert [format_bytes(count) for count in (12, 1234, 2_345_678)] == ["12 B", "1.2 kB", "2.3 MB"]
