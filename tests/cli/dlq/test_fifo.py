"""`penstock dlq` on FIFO queues."""

import json
from typing import Any

from penstock.queue import Outgoing
from tests.support.cli_stack import Run, Stack, id_of, letter


def ordered(number: int, group: str = "g") -> Outgoing:
    """Return a dead letter of a message group."""
    dead = letter(number)
    return Outgoing(dead.body, dead.attributes, group, id_of(number))


def test_a_fifo_queue_hides_messages(fifo_shop: Stack, run: Run) -> None:
    """SQS returns ten messages of a group at most, and stderr has the number of those that could not be read."""
    assert fifo_shop.dead.send([ordered(number) for number in range(14)]) == {}
    ended = run("dlq", "list", "--json")
    assert len(ended.rows) < 14
    assert (
        f"About {14 - len(ended.rows)} dead letters could not be read: they wait behind other messages"
        in ended.err
    )


def test_a_fifo_replay_keeps_the_order(fifo_shop: Stack, run: Run) -> None:
    """All messages of a group are sent in order, in the same group."""
    fifo_shop.dead.send([ordered(number) for number in range(14)])
    ended = run("dlq", "replay", "--all", "--yes")
    assert (ended.code, fifo_shop.dead.depth().total) == (0, 0)
    sent: list[Any] = []
    while page := fifo_shop.main.receive(10):
        fifo_shop.main.delete([message.receipt_handle for message in page])
        sent += page
    assert [json.loads(message.body)["id"] for message in sent] == [id_of(number) for number in range(14)]
    assert {message.group for message in sent} == {"g"}


def test_a_fifo_backup_can_be_imported_at_once(fifo_shop: Stack, run: Run) -> None:
    """The backup of a purge is imported in its group, even within the five minutes in which SQS deduplicates."""
    fifo_shop.dead.send([ordered(number) for number in range(3)])
    assert run("dlq", "purge", "--all", "--yes", "--backup", "x").code == 0
    assert run("dlq", "import", "x").code == 0
    assert [message.group for message in fifo_shop.dead.receive(10)] == ["g"] * 3
