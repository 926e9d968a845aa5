"""A preview predicts a replay, and sends nothing."""

from collections.abc import Sequence

from hypothesis import example, given
from hypothesis import strategies as st

from penstock.consumer.dry_run import DryRunOutcome, DryRunResult
from penstock.consumer.faults.tree import Cause, DataFault
from penstock.deadletters import Plan, Replayed, Selector, replay
from penstock.deadletters.edit.errors import EditRefused
from penstock.deadletters.replay.preview import DRY_RUN_BATCH, preview
from penstock.deadletters.replay_marker import ReplayMarker
from penstock.queue import Attribute, Outgoing
from tests.support.dead_letters import QueuePair, id_of, letter


def crowded(message: Outgoing) -> Outgoing:
    """Leave a message no room for a marker."""
    return Outgoing(message.body, {f"a{number}": Attribute("x") for number in range(10)})


def refuse_odd(body: str) -> str:
    """Edit every other message."""
    if any(id_of(number) in body for number in range(1, 30, 2)):
        raise EditRefused("data.delta: too small")
    return body


DRESSES = {
    "plain": lambda message: message,
    "replayed twice": lambda message: ReplayMarker(2, "a run").attach_to(message),
    "crowded": crowded,
}


@example(dresses=["plain"] * 3, limit=1, max_replays=2, edited=False)
@given(
    dresses=st.lists(st.sampled_from(sorted(DRESSES)), max_size=12),
    limit=st.none() | st.integers(1, 12),
    max_replays=st.none() | st.just(2),
    edited=st.booleans(),
)
def test_a_preview_is_what_a_replay_does(
    dresses: list[str],
    limit: int | None,
    max_replays: int | None,
    edited: bool,
) -> None:
    """The preview predicts each message that is sent, refused or left, with the same code and detail."""
    queues = QueuePair(*(DRESSES[name](letter(number)) for number, name in enumerate(dresses)))
    plan = Plan(selector=Selector.all(), limit=limit, max_replays=max_replays, edit=refuse_odd if edited else None)
    seen = {one.id: (one.would, one.why) for one in preview(queues.dead, plan, None)}
    assert (queues.main.messages, queues.dead.depth().visible) == ([], len(dresses))
    done: list[Replayed] = []
    replay(queues.dead, queues.main, plan, on_result=done.append, clock=queues.clock)
    assert seen == {one.id: (one.outcome, ": ".join(filter(None, (one.code, one.detail))) or None) for one in done}


def test_a_preview_scans_no_further_than_its_limit() -> None:
    """Once as many as may be sent are found, the rest of the queue is left alone."""
    queues = QueuePair(*(letter(number) for number in range(600)))
    pages: list[int] = []
    plan = Plan(selector=Selector.all(), limit=5, max_replays=1)
    assert len(list(preview(queues.dead, plan, None, on_page=pages.append))) == 5
    assert sum(pages) < 600


def test_a_dry_run_gets_edited_messages_in_batches() -> None:
    """The dry run gets the messages that would be sent, in small batches, and the preview shows no value."""
    queues = QueuePair(*(letter(number) for number in range(250)))
    tried: list[Sequence[str]] = []

    def dry_run(bodies: Sequence[str]) -> list[DryRunResult]:
        tried.append(bodies)
        fault = DataFault(Cause("CheckViolation", sqlstate="23514"))
        return [
            DryRunResult(DryRunOutcome.DEAD if "7" in body else DryRunOutcome.APPLIED, None, None, fault)
            for body in bodies
        ]

    plan = Plan(selector=Selector.all(), edit=lambda body: body.replace('"delta": 1', '"delta": 2'))
    seen = list(preview(queues.dead, plan, dry_run))
    assert [len(some) for some in tried] == [DRY_RUN_BATCH, DRY_RUN_BATCH, 50]
    assert all('"delta": 2' in body for some in tried for body in some)
    assert {one.would for one in seen if one.id == id_of(7)} == {"dead"}
    assert {one.why for one in seen} == {"CheckViolation: sqlstate 23514"}
    assert queues.dead.depth().visible == 250
