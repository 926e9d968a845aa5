"""`penstock dlq list | show | stats`: what they print, and that the dead letters stay."""

import json
from pathlib import Path

import pytest

from penstock.queue import Outgoing
from tests.support.cli_stack import PROGRAM, Ended, Run, Stack, id_of, letter
from tests.support.dlq import (
    EMAIL,
    FINGERPRINT,
    moved_by_sqs,
)
from tests.support.terminals import Terminal


def test_list_prints_lines_under_a_header_in_a_pipe(shop: Stack, run: Run) -> None:
    """Stdout has one tab-separated line per dead letter, and stderr says that the run counted as a receive."""
    shop.dead.send([letter(1), Outgoing("\x1b[31mhello\n")][:1])
    ended = run("dlq", "list")
    header, line = (line.split("\t") for line in ended.out.splitlines())
    row = dict(zip(header, line, strict=True))
    assert (ended.code, row["id"], row["kind"]) == (0, id_of(1), "email.requested")
    assert row["detail"] == "NotNullViolation: sqlstate 23502, table emails, column subject"
    assert row["fingerprint"] == FINGERPRINT
    assert "receive" in ended.err
    assert shop.dead.depth().visible == 1


def test_list_shows_a_payload_only_with_reveal(shop: Stack, run: Run) -> None:
    """No value of the payload is printed without --reveal."""
    shop.dead.send([letter(1)])
    for words in ((), ("--json",)):
        assert "someone@example.org" not in run("dlq", "list", *words).out
        assert "someone@example.org" in run("dlq", "list", "--reveal", *words).out


def test_list_as_json_has_the_origin(shop: Stack, run: Run) -> None:
    """Each JSON object has the fault, the times in RFC 3339 and the origin of the message."""
    moved = Outgoing(json.dumps({"specversion": "1.0", "id": id_of(2), "type": "order.placed"}))
    shop.dead.send([letter(1), moved, Outgoing("hello")])
    rows = {row["origin"]: row for row in run("dlq", "list", "--json").rows}
    assert (rows["drain"]["reason"], rows["drain"]["sqlstate"]) == ("NotNullViolation", "23502")
    assert [rows[origin]["fingerprint"] for origin in ("drain", "sqs", "other")] == [FINGERPRINT, None, None]
    assert (rows["sqs"]["id"], rows["sqs"]["fault"]) == (id_of(2), None)
    assert (rows["other"]["id"], rows["other"]["kind"]) == (None, None)
    assert rows["drain"]["expires_at"] > rows["drain"]["sent_at"]


def test_control_characters_of_a_sender_are_not_printed(shop: Stack, run: Run) -> None:
    """A sender's text is printed without line breaks, tabs and control characters."""
    kind = "red\x1b[31m\nkind\t"
    body = json.dumps({"specversion": "1.0", "id": id_of(1), "type": kind})
    shop.dead.send([Outgoing(body)])
    ended = run("dlq", "list")
    assert len(ended.out.splitlines()) == 2
    assert "\x1b" not in ended.out
    assert "\x1b" not in run("dlq", "list", "--json", "--reveal").out


def test_show_prints_copies_one_at_a_time(shop: Stack, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each copy of an id is printed as soon as it is found, so that memory holds one of them."""
    shop.dead.send([letter(1)] * 3)
    leased: list[int] = []
    monkeypatch.setattr(
        "penstock.cli.dlq.details.print_line", lambda *_, **__: leased.append(shop.dead.depth().in_flight)
    )
    assert run("dlq", "show", id_of(1), "--json").code == 0
    assert leased == [3, 3, 3]


def test_a_file_gets_the_lines_beside_a_bar(shop: Stack) -> None:
    """With stderr on a terminal, which has a progress bar, stdout goes where it was sent."""
    shop.dead.send([letter(number) for number in range(3)])
    with Terminal(["/bin/sh", "-c", f"{PROGRAM} dlq list --json > lines"]) as terminal:
        assert terminal.ended() == 0
    lines = (shop.folder / "lines").read_text().splitlines()
    assert {json.loads(line)["id"] for line in lines} == {id_of(number) for number in range(3)}
    assert id_of(1) not in terminal.screen


def test_list_of_an_empty_queue(shop: Stack, run: Run) -> None:
    """Stdout is empty, stderr says that there are none, and the exit code is 0."""
    assert run("dlq", "list") == Ended(0, "", "There are no dead letters.\n")


def test_list_stops_at_the_limit(shop: Stack, run: Run) -> None:
    """--limit bounds the list, and stderr says that there can be more."""
    shop.dead.send([letter(number) for number in range(3)])
    ended = run("dlq", "list", "--limit", "2", "--json")
    assert len(ended.rows) == 2
    assert "There can be more" in ended.err


def test_stats_count_by_cause(shop: Stack, run: Run) -> None:
    """Stats print one line per cause, the largest count first, and when the oldest expires; as JSON too."""
    shop.dead.send([letter(1), moved_by_sqs(2), letter(3)])
    ended = run("dlq", "stats")
    header, first, second = (line.split("\t") for line in ended.out.splitlines())
    assert ended.code == 0
    row = dict(zip(header, first, strict=True))
    assert (row["count"], row["kind"], row["fault"]) == ("2", "email.requested", "NotNullViolation")
    assert second[:3] == ["1", "order.placed", "sqs"]
    assert "3 dead letters (2 from the drain, 1 moved by SQS); the oldest expires in 13d.\n" in ended.err
    assert ended.err.endswith(f"next: penstock dlq replay --fingerprint {FINGERPRINT[:8]} --trial\n")
    assert "2 dead letters of 3 read (2 from the drain); " in run("dlq", "stats", "--fault", "DataFault").err
    assert "1 dead letter of 3 read." in run("dlq", "list", "--fault", "sqs").err
    assert run("dlq", "stats", "--stage", "local").err.endswith("--trial --stage local\n")
    assert [row["count"] for row in run("dlq", "stats", "--json", "--by", "age").rows] == [3]
    assert shop.dead.depth().visible == 3


def test_stats_check(shop: Stack, run: Run) -> None:
    """--check exits with 10 if there are selected dead letters, and with 0 if there are none."""
    assert run("dlq", "stats", "--check").code == 0
    shop.dead.send([letter(1)])
    assert run("dlq", "stats", "--check", "--json").code == 10
    assert run("dlq", "stats", "--check", "--fault", "CheckViolation").code == 0


@pytest.mark.parametrize("by", ["", "nosuch", "kind,"])
def test_stats_refuse_an_unknown_dimension(folder: Path, run: Run, by: str) -> None:
    """An unknown word for --by is wrong usage, and the error lists the valid ones."""
    ended = run("dlq", "stats", "--by", by)
    assert (ended.code, ended.out) == (2, "")
    assert "kind, fault, fingerprint, age" in ended.err


def test_show_prints_all_but_the_payload(shop: Stack, run: Run) -> None:
    """Each copy is printed with its fault, attribute names and payload shape; --reveal adds the payload."""
    shop.dead.send([letter(1), letter(1), letter(2)])
    for words in ((), ("--json",)):
        ended = run("dlq", "show", id_of(1).upper(), *words)
        assert (ended.code, ended.out.count(id_of(1)) >= 2, id_of(2) in ended.out) == (0, True, False)
        assert EMAIL not in ended.out + ended.err
        assert "text of 19" in ended.out
        assert EMAIL in run("dlq", "show", id_of(1), "--reveal", *words).out
    row, _ = run("dlq", "show", id_of(1), "--json").rows
    assert (row["table"], row["column"]) == ("emails", "subject")
    assert row["attributes"] == ["penstock.dead-letter", "penstock.fault", "type"]
    assert shop.dead.depth().visible == 3


def test_show_of_a_missing_id_fails(shop: Stack, run: Run) -> None:
    """A missing id exits with 1, and a blank one is wrong usage."""
    ended = run("dlq", "show", id_of(9))
    assert (ended.code, ended.out) == (1, "")
    assert run("dlq", "show", " ").code == 2
