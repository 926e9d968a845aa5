"""A selector selects the dead letters that meet all its criteria, and never everything by accident."""

import json
from typing import Any

import pytest

from penstock.deadletters import (
    Selector,
    scan,
)
from penstock.queue import Outgoing
from tests.support.dead_letters import (
    QueuePair,
    envelope,
    id_of,
    letter,
)


@pytest.mark.parametrize(
    "criteria",
    [
        {},
        {"ids": []},
        {"ids": [""]},
        {"ids": [id_of(1), " "]},
        {"kinds": [""]},
        {"faults": [""]},
        {"sqlstates": ["23514", ""]},
        {"fingerprints": [""]},
        {"since": 2.0, "until": 2.0},
    ],
)
def test_a_selector_without_a_criterion_is_refused(criteria: dict[str, Any]) -> None:
    """No criterion, an empty value, or `since` at or after `until` is an error."""
    with pytest.raises(ValueError, match=r"selector|`since` is not before"):
        Selector.of(**criteria)


class Holds:
    """A condition on the body."""

    def __init__(self, text: str) -> None:
        self.text = text

    def matches(self, body: str) -> bool:
        """Return whether the body contains the text."""
        return self.text in body


@pytest.mark.parametrize(
    ("criteria", "expected"),
    [
        ({"kinds": ["stock.adjusted"]}, {"letter", "moved"}),
        ({"kinds": ["other.kind", "stock.adjusted"]}, {"letter", "moved", "kind"}),
        ({"faults": ["DataFault"]}, {"letter", "kind"}),
        ({"faults": ["CheckViolation", "other"]}, {"letter", "kind", "foreign"}),
        ({"faults": ["sqs"]}, {"moved"}),
        ({"sqlstates": ["23514"]}, {"letter", "kind"}),
        ({"sqlstates": ["23505"]}, set()),
        ({"since": 1_800_000_100.0}, {"foreign"}),
        ({"until": 1_800_000_100.0}, {"letter", "moved", "kind"}),
        ({"kinds": ["stock.adjusted"], "faults": ["DataFault"]}, {"letter"}),
        ({"where": Holds("needle")}, {"moved"}),
    ],
)
def test_a_selector_takes_what_meets_each_criterion(criteria: dict[str, Any], expected: set[str]) -> None:
    """One value of each criterion has to match, for all criteria; nothing else is selected."""
    named = {
        "letter": letter(1),
        "moved": Outgoing(envelope(2, data="needle")),
        "kind": letter(3, type="other.kind"),
        "foreign": Outgoing("hello"),
    }
    queues = QueuePair()
    for name, message in named.items():
        if name == "foreign":
            queues.clock.advance(200)
        queues.dead.send([message])
    bodies = {message.body: name for name, message in named.items()}
    found = scan(queues.dead, Selector.of(**criteria))
    assert {bodies[one.message.body] for one in found} == expected
    assert queues.dead.depth().visible == 4


def test_a_selector_is_written_down_as_it_was_given() -> None:
    """The description names the criteria that are given, in a form that JSON takes, and says when it means all."""
    given = Selector.of(kinds=["b", "a"], since=5.0, where=Holds("x"))
    assert given.describe() == {"kinds": ["a", "b"], "since": 5.0, "where": "x"}
    assert Selector.all().describe() == {"all": True}
    json.dumps(given.describe())
