"""What a selection names is looked up before anything is done."""

import json
import sys
from collections import defaultdict

import pytest

from penstock.cli.dlq.lookup import look_up
from penstock.cli.support.errors import USAGE, Failure
from penstock.cli.support.options import Target
from penstock.consumer.dead_letter import DeadLetter
from penstock.consumer.faults.tree import Cause, DataFault
from penstock.deadletters import Selector
from penstock.queue import Outgoing
from penstock.testing import MemoryQueue
from tests.support.cli_stack import Run, Stack, id_of, letter
from tests.support.dlq import FINGERPRINT, FOREIGN, fingerprint_of, moved_by_sqs
from tests.support.project import ROOT

HERE = Target(None, None, None, None, None)


@pytest.fixture(autouse=True)
def shop_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in the folder of the shop, whose kinds are declared."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(ROOT)


def dead_letter(number: int, kind: str, reason: str = "CheckViolation") -> Outgoing:
    body = {"specversion": "1.0", "id": id_of(number), "type": kind, "data": {}}
    made = DeadLetter.of(
        DataFault(Cause(reason)),
        kind=kind,
        id=id_of(number),
        receive_count=1,
        first_seen=None,
        function_version=None,
    )
    return made.stamp(Outgoing(json.dumps(body)))


def queue_with(*messages: Outgoing) -> MemoryQueue:
    queue = MemoryQueue()
    queue.send(messages)
    return queue


def receives(queue: MemoryQueue) -> int:
    """Return how often messages were received so far; this receives them all once more."""
    return sum(one.receive_count - 1 for _ in range(20) for one in queue.receive(10))


def refusal(queue: MemoryQueue, selector: Selector, at: Target = HERE) -> str:
    with pytest.raises(Failure) as refused:
        look_up(selector, queue, at)
    assert refused.value.code == USAGE
    assert queue.depth().in_flight == 0
    return str(refused.value)


@pytest.mark.parametrize(
    "selector",
    [
        Selector.all(),
        Selector.of(kinds=["page.viewed"], faults=["DataFault", "CheckViolation", "unknown-kind", "sqs", "other"]),
        Selector.of(sqlstates=["23514"]),
    ],
)
def test_what_is_known_is_not_looked_up(selector: Selector) -> None:
    """The kinds of the service, the known faults and other criteria cost no receive."""
    queue = queue_with(dead_letter(1, "page.viewed"))
    assert look_up(selector, queue, HERE) is selector
    assert receives(queue) == 0


def test_a_kind_of_a_sender_can_be_selected() -> None:
    """A kind that the service does not declare is accepted if it is on the queue, another is refused."""
    queue = queue_with(dead_letter(1, "page.veiwed", "unknown-kind"), FOREIGN)
    selector = Selector.of(kinds=["page.veiwed"])
    assert look_up(selector, queue, HERE) == selector
    text = refusal(queue, Selector.of(kinds=["Page.Viewd"]))
    assert "'page.veiwed'" not in text
    assert "did you mean page.viewed or page.veiwed?" in text


def test_another_services_kinds_are_not_known() -> None:
    """With --service of another service, no kind is refused."""
    queue = queue_with(dead_letter(1, "page.viewed"))
    selector = Selector.of(kinds=["parcel.sent"])
    assert look_up(selector, queue, Target(None, "parcels", None, None, None)) == selector


def test_a_fault_of_the_service_can_be_selected() -> None:
    """A reason of a service's own is accepted if it is on the queue, and a mistyped one is refused."""
    queue = queue_with(dead_letter(1, "page.viewed", "too-many-pages"))
    selector = Selector.of(faults=["too-many-pages"])
    assert look_up(selector, queue, HERE) == selector
    assert "did you mean too-many-pages or " in refusal(queue, Selector.of(faults=["too-many-page"]))
    assert "did you mean CheckViolation" in refusal(queue, Selector.of(faults=["checkviolatoin"]))


def test_the_beginning_of_a_fingerprint() -> None:
    """It stands for the only fingerprint that begins with it, and the look gives all leases back."""
    queue = queue_with(letter(1), letter(2), FOREIGN, moved_by_sqs(3))
    for length in (1, 8, 11):
        found = look_up(Selector.of(fingerprints=[FINGERPRINT[:length]]), queue, HERE)
        assert found.fingerprints == {FINGERPRINT}
    assert queue.depth().visible == 4


def test_an_ambiguous_beginning_is_refused() -> None:
    """If several fingerprints begin with it, they are named with their causes."""
    letters = [dead_letter(number, f"kind.{number}") for number in range(17)]
    groups = defaultdict(list)
    for one in letters:
        groups[fingerprint_of(one)[0]].append(fingerprint_of(one))
    begin, several = max(groups.items(), key=lambda item: len(item[1]))
    text = refusal(queue_with(*letters[:10], *letters[10:]), Selector.of(fingerprints=[begin]))
    assert f"{len(several)} fingerprints begin with {begin}: " in text
    assert sum(one in text for one in several) == min(len(several), 5)
    assert "(kind." in text
    assert "CheckViolation)" in text


@pytest.mark.parametrize("given", ["ffffffffffff", "ffff"])
def test_an_unknown_fingerprint_is_refused(given: str) -> None:
    """The message names those that there are."""
    text = refusal(queue_with(letter(1)), Selector.of(fingerprints=[given]))
    assert f"no dead letter has {given}. The nearest are {FINGERPRINT} (email.requested, NotNullViolation)" in text


@pytest.mark.parametrize("given", ["CheckViolation", "9EBC", f"{FINGERPRINT}0"])
def test_a_text_that_is_no_fingerprint_is_refused(given: str) -> None:
    """It is refused before any message is leased."""
    queue = queue_with(letter(1))
    assert "is no fingerprint" in refusal(queue, Selector.of(fingerprints=[given]))
    assert receives(queue) == 0


def test_the_look_ends_when_all_is_found() -> None:
    """A whole fingerprint costs one page, not the whole queue."""
    queue = MemoryQueue()
    for start in range(0, 400, 10):
        queue.send([letter(number) for number in range(start, start + 10)])
    look_up(Selector.of(fingerprints=[FINGERPRINT]), queue, HERE)
    assert receives(queue) <= 160


def test_a_queue_that_cannot_be_read_whole() -> None:
    """Whole names are taken as they are; the beginning of a fingerprint is refused, as it may be ambiguous."""
    queue = MemoryQueue(in_flight_limit=10)
    queue.send([letter(number) for number in range(10)])
    queue.send([dead_letter(number, "page.viewed") for number in range(10, 20)])
    whole = fingerprint_of(dead_letter(10, "page.viewed"))
    selector = Selector.of(fingerprints=[whole], kinds=["nosuch"])
    assert look_up(selector, queue, HERE) == selector
    assert "give all 12 characters" in refusal(queue, Selector.of(fingerprints=[FINGERPRINT[:4]]))


def test_an_empty_queue_refuses_nothing() -> None:
    """With no dead letters there is nothing to be wrong about: a script that runs again ends as before."""
    selector = Selector.of(fingerprints=["ffff"], kinds=["nosuch"], faults=["nosuch"])
    assert look_up(selector, MemoryQueue(), HERE) == selector


@pytest.mark.parametrize(
    "command",
    [["list"], ["stats"], ["replay"], ["replay", "--dry-run"], ["purge", "--yes"], ["export", "letters.jsonl"]],
)
def test_every_command_looks_up(shop: Stack, run: Run, command: list[str]) -> None:
    """An unknown fingerprint is wrong usage before anything is changed or written; its beginning selects."""
    shop.dead.send([letter(1), moved_by_sqs(2)])
    before = sorted(shop.folder.iterdir())
    ended = run("dlq", *command, "--fingerprint", "ffff")
    assert (ended.code, ended.out) == (2, "")
    assert (shop.dead.depth().visible, shop.main.depth().total) == (2, 0)
    assert sorted(shop.folder.iterdir()) == before
    selected = run("dlq", *command, "--fingerprint", FINGERPRINT[:4], "--json")
    assert (selected.code, len(selected.rows)) == (0, 1)
