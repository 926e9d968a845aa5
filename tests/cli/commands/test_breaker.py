"""`penstock breaker`: its state, and turning the drain off and on by hand."""

import pytest

from penstock.consumer.breaker.event_source import OPERATOR_MARK
from tests.support.cli_stack import Run, Stack
from tests.support.lambdas import LambdaStub, refusal


def test_the_breaker_by_hand(stack: Stack, stub: LambdaStub, run: Run) -> None:
    """Open marks who and why, status shows the mark, close removes it; both print the state before."""
    opened = run("breaker", "open", "--reason", "index build", "--yes", "--json")
    assert (opened.code, opened.err) == (0, "before: closed\n")
    (row,) = opened.rows
    assert (row["position"], row["by"], row["state"]) == ("open", "operator", "Disabled")
    assert stub.tags[OPERATOR_MARK].endswith(" index build")
    assert "root" in stub.tags[OPERATOR_MARK]
    shown = dict(line.split("\t") for line in run("breaker", "status").out.splitlines())
    assert (shown["position"], shown["by"], shown["why"]) == ("open", "operator", stub.tags[OPERATOR_MARK])
    closed = run("breaker", "close")
    assert "before: open by operator: " in closed.err
    assert (closed.code, stub.on, stub.tags) == (0, True, {})
    assert run("breaker", "close").err == "before: closed\n"


def test_opening_needs_a_confirmation_and_a_reason(stack: Stack, stub: LambdaStub, run: Run) -> None:
    """Without a terminal it exits with 3, without a reason with 2; nothing is done."""
    assert run("breaker", "open", "--reason", "x").code == 3
    assert run("breaker", "open", "--yes").code == 2
    assert stub.on


@pytest.mark.parametrize("order", [("open", "--reason", "x", "--yes"), ("close",)])
def test_a_mapping_that_is_being_changed_is_a_conflict(
    stack: Stack, stub: LambdaStub, run: Run, order: tuple[str, ...]
) -> None:
    """During a deployment it exits with 5, and says that nothing was done."""
    stub.on = order[0] == "open"
    stub.refusals["update_event_source_mapping"] = refusal("ResourceInUseException")
    ended = run("breaker", *order)
    assert (ended.code, ended.out) == (5, "")
    assert "nothing was done" in ended.err


def test_without_permission_the_breaker_says_so(stack: Stack, stub: LambdaStub, run: Run) -> None:
    """If Lambda denies access, the exit code is 4."""
    stub.refusals["update_event_source_mapping"] = refusal("AccessDeniedException")
    assert run("breaker", "open", "--reason", "x", "--yes").code == 4


def test_a_drain_that_is_off_without_a_mark_is_reported(stack: Stack, stub: LambdaStub, run: Run) -> None:
    """If AWS lets the mapping be turned off but not tagged, stderr says that the drain is off."""
    stub.refusals["tag_resource"] = refusal("AccessDeniedException")
    ended = run("breaker", "open", "--reason", "x", "--yes")
    assert (ended.code, stub.on) == (4, False)
    assert "the drain is off" in ended.err
    assert "penstock breaker close" in ended.err


HOOK = """
import sys
from penstock.consumer import Drain

def tell(moved):
    print("told", moved.position, moved.by, moved.why.split()[-1], file=sys.stderr)
    raise KeyError("hunter2")

drain = Drain(on_transition=tell)
"""


def test_the_hook_of_the_service_is_told_what_an_operator_did(stack: Stack, stub: LambdaStub, run: Run) -> None:
    """`on_transition` of the drain in this folder is called for each change, and its error changes nothing."""
    (stack.folder / "told_by_hand.py").write_text(HOOK)
    (stack.folder / "pyproject.toml").write_text('[tool.penstock]\ndrain = "told_by_hand:drain"\n')
    opened = run("breaker", "open", "--reason", "build", "--yes")
    again = run("breaker", "open", "--reason", "more", "--yes")
    closed = run("breaker", "close")
    assert [opened.code, again.code, closed.code] == [0, 0, 0]
    assert "told open operator build\n" in opened.err
    assert "told" not in again.err
    assert "told closed operator more\n" in closed.err
    assert "hunter2" not in opened.err


def test_a_service_that_cannot_be_imported_keeps_nobody_from_the_breaker(
    stack: Stack, stub: LambdaStub, run: Run
) -> None:
    """The breaker opens first, and stderr says that the hook was not called."""
    (stack.folder / "broken_hooks.py").write_text("import nothing_of_this_name")
    (stack.folder / "pyproject.toml").write_text('[tool.penstock]\ndrain = "broken_hooks:drain"\n')
    opened = run("breaker", "open", "--reason", "build", "--yes")
    assert (opened.code, stub.on) == (0, False)
    assert "the hook on_transition was not called: broken_hooks cannot be imported" in opened.err
