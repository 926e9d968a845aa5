"""`penstock audit`: the account, and a line for each finding."""

import io
import json
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from penstock.intents import sign
from penstock.queue import Outgoing
from tests.support.cli_stack import Run, Stack, id_of, letter
from tests.support.ledgers import Ledger

NOWHERE = "postgresql://nobody:hunter2@127.0.0.1:1/nowhere"
HOUR = 3600.0


def test_an_audit_without_discrepancies(stack: Stack, ledger: Ledger, run: Run) -> None:
    """The account is on stdout, and stderr says that the dead letters were received once."""
    ledger.enter("applied", ago=HOUR)
    ledger.enter("dead", ago=HOUR, id=UUID(id_of(9)))
    stack.dead.send([letter(9)])
    ended = run("audit", "--check")
    shown = dict(line.split("\t") for line in ended.out.splitlines())
    assert (ended.code, shown["emitted"], shown["applied"], shown["dead"]) == (0, "2", "1", "1")
    assert "emitted 2 = 1 + 0 + 1 + 0" in ended.err
    assert "counted as one receive" in ended.err
    assert "adds up: no discrepancies" in ended.err
    assert (shown["result"], shown["open"]) == ("adds-up", "-")
    assert stack.dead.depth().visible == 1


def test_an_audit_with_a_discrepancy(stack: Stack, ledger: Ledger, run: Run) -> None:
    """Each finding is a line with its verdict, before the account; with --check the exit code is 10."""
    gone = ledger.enter("dead", ago=HOUR)
    ended = run("audit", "--json")
    finding, account = ended.rows
    assert finding == {"id": str(gone), "verdict": "gone", "outcome": "dead"}
    assert (ended.code, account["gone"]) == (0, 1)
    assert run("audit", "--check").code == 10
    assert run("audit", "--check", "--since", "30m").code == 0


def test_an_audit_that_is_not_decided(stack: Stack, ledger: Ledger, run: Run) -> None:
    """While messages wait or are leased, it says so and until when, and with --check the exit code is 11."""
    ledger.enter("pending", ago=10)
    stack.main.send([letter(1)])
    stack.dead.send([letter(2)])
    stack.dead.receive(1, visibility_seconds=600)
    ended = run("audit", "--check", "--json")
    account = ended.rows[-1]
    assert (ended.code, account["result"]) == (11, "not-yet-decided")
    assert [one["cause"] for one in account["open"]] == ["waiting", "hidden"]
    assert "not yet decided" in ended.err
    assert "until the drain has taken them" in ended.err
    assert "adds up" not in ended.err
    assert run("audit").code == 0


def test_an_audit_of_ids(stack: Stack, ledger: Ledger, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ids and receipts of a file or of stdin are accounted for; any other text exits with 2."""
    applied, lost = ledger.enter("applied", ago=HOUR), uuid4()
    lines = f"{applied}\n\n {sign(applied, 'k').token} \r\n{lost}\n"
    (stack.folder / "ids.txt").write_text(lines)
    finding, account = run("audit", "--ids", "ids.txt", "--json").rows
    assert finding == {"id": str(lost), "verdict": "lost", "outcome": None}
    assert (account["emitted"], account["applied"], account["lost"], account["since"]) == (2, 1, 1, None)
    monkeypatch.setattr("sys.stdin", io.StringIO(lines))
    assert run("audit", "--ids", "-", "--check").code == 10
    (stack.folder / "ids.txt").write_text(f"{lines}nonsense\x1b\n")
    ended = run("audit", "--ids", "ids.txt")
    assert (ended.code, ended.out) == (2, "")
    assert "line 5: 'nonsense\\x1b' is neither" in ended.err
    assert run("audit", "--ids", "other.txt").code == 2


@pytest.mark.parametrize("since", ["soon", "2999-01-01T00:00:00Z", "-1d", ""])
def test_an_invalid_since(folder: Path, run: Run, since: str) -> None:
    """It exits with 2 before anything is read."""
    ended = run("audit", f"--since={since}")
    assert (ended.code, ended.out) == (2, "")


def test_another_programs_text_is_escaped(stack: Stack, ledger: Ledger, run: Run) -> None:
    """An id from an unknown sender is printed without line breaks and control sequences."""
    body = json.dumps({"specversion": "1.0", "id": "x\x1b[31m\ny", "type": "thing.done"})
    stack.dead.send([Outgoing(body)])
    header, finding, *_ = run("audit").out.splitlines()
    assert header == "id\tverdict\toutcome"
    assert finding == "x\N{REPLACEMENT CHARACTER}[31m\N{REPLACEMENT CHARACTER}y\tmoved\t-"


def test_an_audit_without_the_database_prints_nothing(stack: Stack, run: Run) -> None:
    """It exits with 1, prints no part of the account, and releases the dead letters."""
    stack.dead.send([letter(1)])
    ended = run("audit", "--database-url", NOWHERE)
    assert (ended.code, ended.out) == (1, "")
    assert "hunter2" not in ended.err
    assert stack.dead.depth().visible == 1
