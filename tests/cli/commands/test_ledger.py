"""`penstock ledger`: the ledger's entry of one intent."""

from pathlib import Path
from typing import Any

from penstock.intents import sign
from tests.support.cli_stack import Run, Stack, id_of, record
from tests.support.ledgers import Ledger


def test_an_entry_by_its_id_or_its_receipt(stack: Stack, ledger: Ledger, run: Run) -> None:
    """It shows the outcome, the times and the fault's names and codes, for an id or for a receipt with any key."""
    id_ = ledger.enter("dead", generation="ledger_past")
    ended = run("ledger", "show", str(id_))
    shown = dict(line.split("\t") for line in ended.out.splitlines())
    assert (ended.code, shown["outcome"], shown["generation"]) == (0, "dead", "past")
    assert (shown["fault.sqlstate"], shown["fault.constraint"]) == ("23514", "positive")
    for name in (str(id_).upper(), id_.hex, sign(id_, "any key").token):
        (row,) = run("ledger", "show", name, "--json").rows
        assert (row["id"], row["fault"]["reason"]) == (str(id_), "CheckViolation")


def test_an_entry_that_is_not_there(stack: Stack, run: Run) -> None:
    """It exits with 1 and names the possible reasons; a text that is not an id exits with 2."""
    ended = run("ledger", "show", id_of(7))
    assert (ended.code, ended.out) == (1, "")
    assert "still on a queue" in ended.err
    for text in ("x", "", "A" * 43, "\u20ac" * 43):
        assert run("ledger", "show", text).code == 2


def test_a_database_without_a_ledger_is_an_error(folder: Path, run: Run, postgres: Any) -> None:
    """If the tables are missing, the error names the table."""
    record(folder, database_url=postgres.url())
    ended = run("ledger", "show", id_of(7))
    assert (ended.code, ended.out) == (1, "")
    assert "penstock.ledger" in ended.err
