"""An explanation in words, for the terminal and the page alike."""

from penstock.explain.capture import Statement
from penstock.explain.run import Explanation
from penstock.explain.tree import format_ms


def summary(explanation: Explanation) -> str:
    """Say in one line what was done."""
    intents = f"{explanation.intents:,} intent{'s' * (explanation.intents != 1)}"
    if not explanation.analyzed:
        return f"{intents}; planned, and not executed"
    whole = sum(statement.ms for statement in explanation.statements)
    return f"{intents}, {format_ms(whole)} in Postgres; executed, and rolled back"


def title(statement: Statement) -> str:
    """Say what a statement does, and how long it took."""
    target = f" {statement.table}" if statement.table else ""
    does = f"{statement.does}:{target}" if target else statement.does
    plan = statement.plan
    if plan is None or plan.execution_ms is None:
        return does
    if statement.executions > 1:
        if statement.explained == 1:
            return f"{does}, {statement.executions:,} executions, the first in {format_ms(plan.execution_ms)}"
        times = (
            f"{statement.executions:,} executions, {statement.explained:,} of them in {format_ms(statement.ms)}"
        )
        return f"{does}, {times}, the slowest in {format_ms(plan.execution_ms)}"
    planning = f" and {format_ms(plan.planning_ms)} of planning" if plan.planning_ms is not None else ""
    return f"{does}, {format_ms(plan.execution_ms)}{planning}"


def notes(explanation: Explanation) -> list[str]:
    """Say what has to be known about an explanation to read it."""
    found = []
    does = {statement.does for statement in explanation.statements}
    if "claim" in does:
        found.append(
            "The fast path failed, because the ledger has one of the ids or Postgres refused a row. These are the "
            "statements of the isolating path, which claims first and then writes."
        )
    if explanation.duplicates:
        found.append(f"{explanation.duplicates:,} of the intents had taken effect before, and write nothing.")
    if explanation.unseen_function and explanation.analyzed:
        found.append(
            "The service's function sent no statement through its SQLAlchemy connection. "
            "What it sends through the driver cannot be explained."
        )
    elif explanation.unseen_function:
        found.append("The service's function was not called, because its statements depend on what it reads.")
    if explanation.left_out:
        found.append(f"{explanation.left_out:,} executions of further statements are left out.")
    return found
