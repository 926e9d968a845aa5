"""The probe: when it enables the mapping again."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from penstock.consumer import Probe
from penstock.consumer.breaker.event_source import MARK, OPERATOR_MARK
from penstock.local.postgres import Postgres
from penstock.settings import Settings, SettingsError
from penstock.testing import LambdaContext
from tests.support.breaker import NOWHERE, Bench
from tests.support.lambdas import MAPPING, LambdaStub, refusal


def test_the_drain_comes_back_by_itself(server: Postgres, bench: Bench) -> None:
    """The probe waits for the database, enables the mapping, and removes the mark; hooks are told of each step."""
    server.kill()
    bench()
    assert [bench.probe(), bench.aws.on] == ["open", False]
    server.start()
    assert [bench.probe(), bench.aws.on, bench.aws.marked] == ["half-open", True, True]
    assert [bench.probe(), bench.aws.on, bench.aws.marked] == ["closed", True, False]
    assert bench() == 0
    why = "OperationalError"
    assert bench.moved == [("open", "breaker", why), ("half-open", "probe", why), ("closed", "probe", why)]
    assert {move.mapping for move in bench.moves} == {MAPPING}


def test_what_an_operator_turned_off_stays_off(aws: LambdaStub) -> None:
    """A disabled mapping without the mark is left alone, and the database is not checked."""
    aws.on = False
    bench = Bench(NOWHERE, aws)
    assert bench.probe() == "closed"
    assert not aws.on
    assert aws.named == ["list_tags"]


def test_what_somebody_turned_on_again_is_told(bench: Bench) -> None:
    """If an operator's mark is found on an enabled mapping, hooks are told that somebody closed the breaker."""
    bench.aws.tags = {OPERATOR_MARK: "alice then"}
    assert bench.probe() == "closed"
    assert bench.moved == [("closed", "somebody", "alice")]
    assert bench.probe() == "closed"
    assert len(bench.moves) == 1


def test_a_mapping_that_is_being_changed_is_enabled_one_run_later(bench: Bench) -> None:
    """The probe does not interfere with a deployment; the mark stays until the mapping is enabled."""
    bench.aws.on, bench.aws.tags = False, {MARK: "then"}
    bench.aws.refusals["update_event_source_mapping"] = refusal("ResourceInUseException")
    assert bench.probe() == "half-open"
    assert (bench.aws.on, bench.aws.marked) == (False, True)
    assert bench.moves == []
    bench.aws.refusals.clear()
    bench.probe()
    assert bench.aws.on


def test_a_probe_without_permissions_or_settings_raises(bench: Bench) -> None:
    """It raises, so that the alarm on its errors is triggered."""
    bench.aws.on, bench.aws.tags = False, {MARK: "then"}
    bench.aws.refusals["update_event_source_mapping"] = refusal("AccessDeniedException")
    with pytest.raises(ClientError, match="AccessDenied"):
        bench.probe()
    client: Any = bench.aws
    with pytest.raises(SettingsError, match="PENSTOCK_EVENT_SOURCE_MAPPING"):
        Probe(Settings(), engine=bench.engine, client=client).handler({}, LambdaContext())
