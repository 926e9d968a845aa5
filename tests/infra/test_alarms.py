"""The part `alarms`: runbooks, metrics, and the logs that they are read from."""

import re
from collections.abc import Iterator, Mapping
from logging import LogRecord
from typing import Any

import pytest
from sqlalchemy import Engine, text

from penstock.consumer import Prune
from penstock.consumer.breaker import breaker
from penstock.database import make_engine
from penstock.infra.template import cloudformation_template
from penstock.testing import LambdaContext
from tests.support.breaker import NOWHERE
from tests.support.breaker import Bench as Outage
from tests.support.drain import Bench, ThingMade
from tests.support.lambdas import LambdaStub
from tests.support.project import ROOT

RESOURCES: Mapping[str, Any] = cloudformation_template(artifacts="build", parts=["alarms"])["Resources"]
ALARMS = {name: one["Properties"] for name, one in RESOURCES.items() if one["Type"] == "AWS::CloudWatch::Alarm"}
FILTERS = {name: one["Properties"] for name, one in RESOURCES.items() if one["Type"] == "AWS::Logs::MetricFilter"}


def references(value: Any) -> Iterator[str]:
    """Yield the resources that a value refers to."""
    match value:
        case {"Ref": str(name)} | {"Fn::GetAtt": [str(name), *_]}:
            yield name
        case dict():
            for one in value.values():
                yield from references(one)
        case list():
            for one in value:
                yield from references(one)


def made_metrics() -> set[str]:
    return {made["MetricName"] for one in FILTERS.values() for made in one["MetricTransformations"]}


@pytest.mark.parametrize("alarm", ALARMS)
def test_every_alarm_has_a_runbook(alarm: str) -> None:
    """The description ends with a section of the page on alarms, and tells somebody."""
    found = re.fullmatch(r".+ Runbook: docs/alarms\.md#([a-z-]+)", ALARMS[alarm]["AlarmDescription"])
    assert found
    headings = re.findall(r"^## (.+)$", (ROOT / "docs/alarms.md").read_text(), re.MULTILINE)
    assert found[1] in {heading.lower().replace(" ", "-") for heading in headings}
    assert ALARMS[alarm]["AlarmActions"] == [{"Ref": "AlarmsTopic"}]


@pytest.mark.parametrize("alarm", ALARMS)
def test_every_alarm_has_a_metric(alarm: str) -> None:
    """It watches a queue or a function of the service, or what one of the filters makes."""
    properties = ALARMS[alarm]
    if isinstance(properties["Namespace"], str):
        (watched,) = references(properties["Dimensions"])
        kinds = {"AWS/SQS": "AWS::SQS::Queue", "AWS/Lambda": "AWS::Lambda::Function"}
        assert RESOURCES[watched]["Type"] == kinds[properties["Namespace"]]
    else:
        assert properties["Namespace"] == {"Fn::Sub": "Penstock/${Service}-${Stage}"}
        assert properties["MetricName"] in made_metrics()


def test_every_runbook_has_an_alarm() -> None:
    """No section of the page is left over."""
    named = {one["AlarmDescription"].rpartition("#")[2] for one in ALARMS.values()}
    headings = re.findall(r"^## (.+)$", (ROOT / "docs/alarms.md").read_text(), re.MULTILINE)
    assert {heading.lower().replace(" ", "-") for heading in headings} == named


def metrics_of(records: list[LogRecord]) -> dict[str, float]:
    """Return the sums of the metrics that the filters make of a log."""
    sums: dict[str, float] = {}
    for record in records:
        fields = {"level": record.levelname, **vars(record)}
        for one in FILTERS.values():
            conditions = re.findall(r'\$\.(\w+) = "([^"]*)"', one["FilterPattern"])
            assert conditions
            if all(fields.get(name) == value for name, value in conditions):
                (made,) = one["MetricTransformations"]
                value = made["MetricValue"]
                number = fields[value.removeprefix("$.")] if value.startswith("$.") else value
                sums[made["MetricName"]] = sums.get(made["MetricName"], 0) + float(number)
    return sums


@pytest.mark.server
def test_a_batch_is_counted(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    """The log of a batch has its size, and how many records went back."""
    caplog.set_level("INFO")
    Bench(engine)([ThingMade(name="a"), ThingMade(name="b", parent="comes later")])
    assert metrics_of(caplog.records) == {"BatchSize": 2, "HandedBack": 1}


@pytest.mark.server
def test_a_fault_of_the_deployment_is_counted(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    """Each record that waits for a column that is missing counts."""
    bench = Bench(engine)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE things DROP COLUMN size"))
    bench([ThingMade(name="a", size=1), ThingMade(name="b", size=1)])
    assert metrics_of(caplog.records)["HandedBackForDeployment"] == 2


def test_an_outage_is_counted(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that is away is no fault of the deployment; each run of the probe that finds it away counts."""
    aws = LambdaStub()
    monkeypatch.setattr(breaker, "lambda_client", lambda: aws)
    bench = Outage(NOWHERE, aws)
    bench()
    assert bench.aws.marked
    for _ in range(2):
        bench.probe()
    counted = metrics_of(caplog.records)
    assert counted["BreakerOpen"] == 2
    assert "HandedBackForDeployment" not in counted


@pytest.mark.server
def test_a_postponed_rotation_is_counted(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    """A rotation that was due, and did not get the ledger, counts."""
    with engine.begin() as connection:
        connection.execute(text("UPDATE penstock.rotation SET rotated_at = rotated_at - interval '90 days'"))
    other = make_engine(engine.url.render_as_string(hide_password=False))
    with other.begin() as connection:
        connection.execute(text("SELECT FROM penstock.ledger"))
        Prune(engine=engine).handler({}, LambdaContext(seconds=9))
    other.dispose()
    assert metrics_of(caplog.records)["RotationPostponed"] == 1
