"""Hostile bodies in the drain: each has its documented outcome, and their neighbours are written."""

import pytest
from sqlalchemy import Engine

from tests.support.drain import Bench, ThingMade
from tests.support.hostile_bodies import GROUPS, WAITS, Hostile
from tests.support.hostile_texts import LANDS


def test_the_corpus_is_large() -> None:
    """There are 400 bodies at least, each with a name of its own."""
    names = [case.name for group in GROUPS.values() for case in group]
    assert len(names) == len(set(names)) >= 400


@pytest.mark.parametrize("group", GROUPS.values(), ids=GROUPS)
def test_a_hostile_body_lands_or_is_dead_lettered(engine: Engine, group: tuple[Hostile, ...]) -> None:
    """Each body has its documented outcome alone, and the neighbour of each is written."""
    bench = Bench(engine)
    neighbours = [ThingMade(name=f"neighbour {number}") for number in range(len(group))]
    messages = [one for pair in zip(neighbours, (case.body for case in group), strict=True) for one in pair]
    failed = bench(messages)
    assert len(failed) == sum(case.outcome == WAITS for case in group)
    landed = [name for name in bench.names if name.startswith("neighbour ")]
    assert sorted(landed) == sorted(one.name for one in neighbours)
    assert len(bench.names) - len(landed) == sum(case.outcome == LANDS for case in group)
    refused = [case for case in group if case.outcome not in {LANDS, WAITS}]
    bodies = {
        message.body: letter for message, letter in zip(bench.dead_letters.messages, bench.letters, strict=True)
    }
    assert len(bench.letters) == len(refused)
    wrong = {
        case.name: bodies[case.body].detail for case in refused if case.outcome not in bodies[case.body].detail
    }
    assert wrong == {}
