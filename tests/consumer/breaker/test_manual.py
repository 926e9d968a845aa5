"""The breaker by hand, beside the drain and the probe, on a Lambda in memory."""

from typing import Any

import pytest
from sqlalchemy import Engine

from penstock.consumer import EnvironmentFault, Probe
from penstock.consumer.breaker.event_source import MARK, OPERATOR_MARK, EventSourceMapping
from penstock.consumer.breaker.manual import (
    BreakerBusy,
    BreakerSlow,
    BreakerStatus,
    breaker_status,
    close_breaker,
    open_breaker,
)
from penstock.settings import Settings
from penstock.testing import LambdaContext, MemoryQueue
from tests.support.breaker import consider
from tests.support.lambdas import ARN, MAPPING, LambdaStub, refusal

ON = BreakerStatus("closed", None, None, "Enabled")


class SlowLambda(LambdaStub):
    """A Lambda that enables or disables a mapping only after a number of polls."""

    def __init__(self, polls: int) -> None:
        super().__init__()
        self.state, self.left, self.polls = "Enabled", 0, polls

    def _update_event_source_mapping(self, UUID: str, Enabled: bool) -> None:  # noqa: N803
        super()._update_event_source_mapping(UUID, Enabled)
        self.left = self.polls

    def _get_event_source_mapping(self, UUID: str) -> Any:  # noqa: N803
        self.left -= 1
        if self.left >= 0:
            return {"State": "Enabling" if self.on else "Disabling"}
        return super()._get_event_source_mapping(UUID)


def mapping_of(stub: LambdaStub) -> EventSourceMapping:
    client: Any = stub
    return EventSourceMapping(client, MAPPING, ARN)


def probe(stub: LambdaStub, engine: Engine) -> str:
    client: Any = stub
    settings = Settings(event_source_mapping=MAPPING)
    probe = Probe(settings, engine=engine, client=client, queue=MemoryQueue(), dead_letters=MemoryQueue())
    return probe.handler({}, LambdaContext())["breaker"]


@pytest.fixture
def stub() -> LambdaStub:
    return LambdaStub()


@pytest.mark.parametrize(
    ("on", "tags", "status"),
    [
        (True, {}, ON),
        (True, {MARK: "x"}, BreakerStatus("half-open", "breaker", "x", "Enabled")),
        (True, {OPERATOR_MARK: "x"}, ON),
        (False, {}, BreakerStatus("open", "somebody", None, "Disabled")),
        (False, {"other": "x"}, BreakerStatus("open", "somebody", None, "Disabled")),
        (False, {MARK: "x"}, BreakerStatus("open", "breaker", "x", "Disabled")),
        (False, {MARK: "x", OPERATOR_MARK: "y"}, BreakerStatus("open", "operator", "y", "Disabled")),
    ],
)
def test_the_status(stub: LambdaStub, on: bool, tags: dict[str, str], status: BreakerStatus) -> None:
    """Who turned it off, and why, is read from the marks; an operator's mark precedes the breaker's."""
    stub.on, stub.tags = on, tags
    assert breaker_status(mapping_of(stub)) == status


def test_opened_by_hand_it_stays_open(stub: LambdaStub, engine: Engine) -> None:
    """Although the database is well, the probe does not close it; an operator does."""
    assert open_breaker(mapping_of(stub), "alice", seconds=0) == ON
    assert [probe(stub, engine), stub.on] == ["closed", False]
    before = close_breaker(mapping_of(stub), seconds=0)
    assert (before.by, before.why, stub.on, stub.tags) == ("operator", "alice", True, {})


def test_opened_by_hand_after_it_was_tripped(stub: LambdaStub, engine: Engine) -> None:
    """An operator's mark also counts if the breaker tripped before, or trips later in a running batch."""
    stub.on, stub.tags = False, {MARK: "x"}
    open_breaker(mapping_of(stub), "alice", seconds=0)
    assert "update_event_source_mapping" not in stub.named
    assert [probe(stub, engine), stub.on] == ["closed", False]
    consider(stub, EnvironmentFault("OperationalError"), engine, seconds=8)
    assert [probe(stub, engine), stub.on] == ["closed", False]
    close_breaker(mapping_of(stub), seconds=0)
    assert (stub.on, stub.tags) == (True, {})


def test_an_operator_overtakes_the_probe(stub: LambdaStub, engine: Engine) -> None:
    """A probe that is running does not enable what an operator disables meanwhile."""
    stub.on, stub.tags = False, {MARK: "x"}

    def meanwhile() -> None:
        if stub.named[-1:] == ["get_event_source_mapping"]:
            stub.tags[OPERATOR_MARK] = "alice"

    stub.before = meanwhile
    assert [probe(stub, engine), stub.on] == ["closed", False]


def test_a_stale_mark_is_removed(stub: LambdaStub, engine: Engine) -> None:
    """If the mapping was enabled by other means, the probe removes the mark and handles the next outage."""
    stub.tags = {OPERATOR_MARK: "alice"}
    assert (probe(stub, engine), stub.tags) == ("closed", {})
    stub.on, stub.tags = False, {MARK: "x"}
    assert [probe(stub, engine), stub.on] == ["half-open", True]


def test_repetition_is_safe(stub: LambdaStub) -> None:
    """A second call changes nothing; the newest reason is kept, and each call returns the status before."""
    for n, before in (("1", ON), ("2", BreakerStatus("open", "operator", "1", "Disabled"))):
        assert open_breaker(mapping_of(stub), n, seconds=0) == before
    assert stub.tags == {OPERATOR_MARK: "2"}
    assert close_breaker(mapping_of(stub), seconds=0).why == "2"
    assert close_breaker(mapping_of(stub), seconds=0) == ON


def test_the_reason_fits_a_tag(stub: LambdaStub) -> None:
    """Characters that AWS refuses in a tag are replaced, and the reason is cut to the maximum length."""
    open_breaker(mapping_of(stub), f"alice <a&b>\n\x1b[31m {'x' * 300}", seconds=0)
    reason = stub.tags[OPERATOR_MARK]
    assert (len(reason), reason[:20]) == (256, "alice  a b 31m xxxxx")


@pytest.mark.parametrize(
    "order", [lambda m: open_breaker(m, "x", seconds=0), lambda m: close_breaker(m, seconds=0)]
)
def test_a_mapping_that_is_being_changed_is_left_alone(stub: LambdaStub, order: Any) -> None:
    """During a deployment nothing is done, and nothing is marked."""
    stub.on = order.__code__.co_names[0] == "open_breaker"
    stub.refusals["update_event_source_mapping"] = refusal("ResourceInUseException")
    before = (stub.on, dict(stub.tags))
    with pytest.raises(BreakerBusy, match="deployment"):
        order(mapping_of(stub))
    assert (stub.on, stub.tags) == before


def test_the_wait_for_lambda_is_bounded() -> None:
    """A call returns when Lambda reports the new state, or fails after its timeout."""
    stub, slept = SlowLambda(3), list[float]()
    open_breaker(mapping_of(stub), "x", seconds=10, sleep=slept.append)
    assert (len(slept), stub.on) == (3, False)
    stub.polls = 1000
    with pytest.raises(BreakerSlow, match="still Enabling after 10 s"):
        close_breaker(mapping_of(stub), seconds=10, sleep=slept.append)


def test_tripped_again_at_once(stub: LambdaStub) -> None:
    """If a consumer trips while the breaker is being closed, the mapping is marked for the probe."""
    stub.on, stub.tags = False, {MARK: "x"}

    def trip() -> None:
        if stub.named[-1:] == ["untag_resource"]:
            stub.on = False

    stub.before = trip
    with pytest.raises(BreakerSlow, match="tripped the breaker again"):
        close_breaker(mapping_of(stub), seconds=0)
    assert stub.tags == {MARK: "tripped meanwhile"}
