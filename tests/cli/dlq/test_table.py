"""Dead letters on a terminal: a list under causes, counts, and the details of one."""

import json
import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from rich.cells import cell_len

from penstock.cli.dlq import counts, table
from penstock.cli.dlq.details import details_of, draw_details, follow_up
from penstock.cli.support.listing import draw
from penstock.cli.support.options import Target
from penstock.deadletters import DeadLetterMessage
from penstock.deadletters.stats import By, count_by
from penstock.queue import Outgoing
from penstock.testing import MemoryQueue
from tests.support.cli_stack import id_of, letter
from tests.support.dlq import EMAIL, FINGERPRINT, FOREIGN, moved_by_sqs

RETENTION = 14 * 86_400
WIDTHS = [40, 80, 200]
LETTERS = [letter(1), moved_by_sqs(2), FOREIGN, letter(3)]


def found(*messages: Outgoing) -> list[DeadLetterMessage]:
    queue = MemoryQueue()
    queue.send(messages)
    an_hour_ago = time.time() - 3600
    return [DeadLetterMessage.of(replace(one, sent_at=an_hour_ago)) for one in queue.receive(10)]


def listed(width: int, *, reveal: bool = False) -> list[str]:
    rows = [table.row_of(one, RETENTION, reveal=reveal) for one in found(*LETTERS)]
    return [line.plain for line in draw(table._UNDER_A_CAUSE, rows, width, table._cause)]


@pytest.mark.parametrize("width", WIDTHS)
def test_a_list_is_under_its_causes(width: int) -> None:
    """Each cause is written once, with its count, and each letter has a line with an id that can be copied."""
    lines = listed(width)
    assert max(map(cell_len, lines)) <= width
    text = " ".join(" ".join(lines).split())
    assert text.startswith(f"2 x email.requested, DataFault, fingerprint {FINGERPRINT[:8]} NotNullViolation: ")
    assert text.count("NotNullViolation: sqlstate 23502, table emails, column subject") == 1
    assert "1 x order.placed moved by SQS: received too often" in text
    assert "1 x no kind not an intent: from another program" in text
    assert [line.split()[0] for line in lines if id_of(1) in line or id_of(3) in line] == [id_of(1), id_of(3)]
    assert sum(line.startswith("  ") and len(line.split()[0]) == 36 for line in lines) == 4
    assert ("message id" in text) == (width == 200)
    assert (text.count("1h ago"), text.count("in 13d")) == (4, 4)


@pytest.mark.parametrize("width", WIDTHS)
def test_counts_fit(width: int) -> None:
    """The counts add up to the number of letters, those that are no intents too, and no word is broken."""
    dimensions = [By.KIND, By.FAULT, By.FINGERPRINT]
    groups = count_by(found(*LETTERS), dimensions, 0)
    rows = [counts._row(group, dimensions, RETENTION) for group in groups]
    lines = [line.plain for line in draw(counts._columns(dimensions), rows, width)]
    assert max(map(cell_len, lines)) <= width
    words = " ".join(lines).split()
    assert sum(row["count"] for row in rows) == len(LETTERS)
    assert set(words) >= {"email.requested", "NotNullViolation", FINGERPRINT[:8], "order.placed", "sqs", "other"}
    assert "moved by SQS: received too often" in " ".join(words)
    assert words.count("NotNullViolation") == 1


@pytest.mark.parametrize(
    ("messages", "by", "command"),
    [
        (LETTERS, "kind,fault,fingerprint", f"penstock dlq replay --fingerprint {FINGERPRINT[:8]} --trial"),
        (
            [moved_by_sqs(1)],
            "kind,fault,fingerprint",
            "penstock dlq replay --kind order.placed --fault sqs --trial",
        ),
        ([FOREIGN], "kind,fault,fingerprint", "penstock dlq list --fault other"),
        (LETTERS, "age", "penstock dlq list"),
        (
            [Outgoing(json.dumps({"specversion": "1.0", "id": "x", "type": "a; rm -rf ~"}))],
            "kind",
            "penstock dlq replay --kind 'a; rm -rf ~' --trial",
        ),
    ],
)
def test_the_command_that_follows(messages: Iterable[Outgoing], by: str, command: str) -> None:
    """It is about the largest group. A text of a sender is quoted for the shell."""
    assert counts._follow_up(count_by(found(*messages), counts.parse_by(by), 0)[0]) == command


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("reveal", [False, True])
def test_details(width: int, *, reveal: bool) -> None:
    """Times are relative too, and the payload is laid out, redacted unless it is revealed."""
    (one,) = found(letter(1))
    lines = [line.plain for line in draw_details(details_of(one, RETENTION, reveal=reveal), width)]
    assert max(map(cell_len, lines)) <= width
    text = "\n".join(lines)
    assert (EMAIL in text) is reveal
    assert "(1h ago)" in text
    body = lines[lines.index("body") + 1 :]
    assert body[0] == "  {"
    assert f'    "id": "{id_of(1)}",' in body or width == 40
    assert json.loads("".join(body)) if width > 40 else True


def test_the_payload_of_another_program_is_escaped() -> None:
    """What is no JSON is shown as it is, without control characters."""
    (one,) = found(Outgoing("hello\x9b31m\nyou"))
    text = "\n".join(line.plain for line in draw_details(details_of(one, RETENTION, reveal=True), 80))
    assert "hello\N{REPLACEMENT CHARACTER}31m\N{REPLACEMENT CHARACTER}you" in text


def test_the_command_after_the_details() -> None:
    """It names the message, and repeats the options of the stage."""
    at = Target("dev", None, None, "a b", None)
    drained, foreign = found(letter(1), FOREIGN)
    message_id = drained.message.message_id
    assert follow_up(drained, at) == f"penstock dlq replay --id {message_id} --trial --stage dev --profile 'a b'"
    assert follow_up(foreign, at).startswith("penstock dlq export letter.jsonl --id ")


@pytest.mark.parametrize("first_seen", ["yesterday", "2026-11-20T10:00:00", None])
def test_a_time_that_is_none(first_seen: Any) -> None:
    """A time of a sender that cannot be read is shown as it is."""
    (one,) = found(letter(1))
    values = details_of(one, RETENTION, reveal=False) | {"first_seen": first_seen}
    assert list(draw_details(values, 80))
