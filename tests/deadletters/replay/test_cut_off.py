"""No dead letter is lost when a replay is refused, late or cut off at any call."""

from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.deadletters import Selector
from tests.support.dead_letters import QueuePair, check_none_is_lost, id_of, letter, plans


@settings(max_examples=300)
@given(count=st.integers(1, 24), plan=plans(), chosen=st.none() | st.sets(st.integers(0, 23), min_size=1))
def test_no_dead_letter_is_ever_lost(count: int, plan: list[str], chosen: set[int] | None) -> None:
    """Refused, late, stolen or cut off at any call: each is on one of the queues, and a second run finishes."""
    queues = QueuePair(*(letter(number) for number in range(count)))
    everyone = {id_of(number) for number in range(count)}
    selector = Selector.all() if chosen is None else Selector.of(ids=(id_of(number) for number in chosen))
    check_none_is_lost(queues, plan, selector, everyone)
