"""The part `alarms`: runbooks, what each alarm watches, and that it fires for what the functions really print."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from sqlalchemy import Engine, text

from penstock.consumer import Prune
from penstock.consumer.breaker import breaker
from penstock.consumer.breaker.event_source import MARK
from penstock.database import make_engine
from penstock.infra.template import cloudformation_template
from penstock.metrics import names
from penstock.settings import Settings
from penstock.testing import LambdaContext
from tests.support.breaker import NOWHERE
from tests.support.breaker import Bench as Outage
from tests.support.drain import Bench, ThingMade
from tests.support.lambdas import LambdaStub
from tests.support.printed import Printed, printed_in
from tests.support.project import ROOT

TEMPLATE: Mapping[str, Any] = cloudformation_template(artifacts="build", parts=["alarms"])
RESOURCES: Mapping[str, Any] = TEMPLATE["Resources"]
ALARMS = {name: one["Properties"] for name, one in RESOURCES.items() if one["Type"] == "AWS::CloudWatch::Alarm"}
DEPLOYED = {"Service": "shop", "Stage": "dev", "AlarmsTopic": "arn:aws:sns:eu-central-1:000000000000:on-call"}
"""The parameters of the deployment."""

PRINTED = {"DeploymentFaultAlarm", "BreakerOpenAlarm", "BudgetAlarm", "RotationPostponedAlarm"}
"""The alarms on metrics that the functions print."""

AWS_ALARMS = {
    "DeadLettersAlarm": ("AWS/SQS", "ApproximateNumberOfMessagesVisible", "DeadLetterQueue", 0),
    "OldestIntentAlarm": ("AWS/SQS", "ApproximateAgeOfOldestMessage", "Queue", 15 * 60),
    "ExpiryAlarm": ("AWS/SQS", "ApproximateAgeOfOldestMessage", "Queue", 10 * 86_400),
    "DeadLetterExpiryAlarm": ("AWS/SQS", "ApproximateAgeOfOldestMessage", "DeadLetterQueue", 10 * 86_400),
    "InFlightAlarm": ("AWS/SQS", "ApproximateNumberOfMessagesNotVisible", "Queue", 0.8 * 120_000),
    "DrainErrorsAlarm": ("AWS/Lambda", "Errors", "DrainLambdaFunction", 0),
    "DrainThrottlesAlarm": ("AWS/Lambda", "Throttles", "DrainLambdaFunction", 0),
    "ProbeErrorsAlarm": ("AWS/Lambda", "Errors", "ProbeLambdaFunction", 0),
    "PruneErrorsAlarm": ("AWS/Lambda", "Errors", "PruneLambdaFunction", 0),
}
"""What the alarms on metrics of AWS watch, and the greatest value at which they are silent."""


def resolved(value: Any) -> Any:
    """Return a value of the template as CloudFormation deploys it."""
    match value:
        case {"Ref": str(name)} if name in TEMPLATE["Parameters"]:
            return DEPLOYED.get(name) or TEMPLATE["Parameters"][name]["Default"]
        case {"Ref": str(name)}:
            return resolved(RESOURCES[name]["Properties"]["FunctionName"])
        case {"Fn::Sub": str(said)}:
            return re.sub(r"\$\{(\w+)\}", lambda found: str(resolved({"Ref": found[1]})), said)
        case dict():
            return {key: resolved(one) for key, one in value.items()}
        case list():
            return [resolved(one) for one in value]
    return value


def statistic(watched: Mapping[str, Any], printed: Sequence[Printed]) -> float | None:
    """Return what CloudWatch computes for an alarm's metric from what was printed; None without a value."""
    dimensions = {one["Name"]: one["Value"] for one in watched["Dimensions"]}
    wanted = (watched["Namespace"], watched["MetricName"], dimensions)
    found = [one.values for one in printed if (one.namespace, one.name, dict(one.dimensions)) == wanted]
    values = [value for values in found for value in values]
    if not values:
        return None
    return sum(values) if watched["Statistic"] == "Sum" else max(values)


def value_of(alarm: Mapping[str, Any], printed: Sequence[Printed]) -> float | None:
    """Return the value that an alarm compares with its threshold."""
    if "Metrics" not in alarm:
        return statistic(alarm, printed)
    expression, metric = alarm["Metrics"]
    stat = metric["MetricStat"]
    held = statistic({**stat["Metric"], "Statistic": stat["Stat"]}, printed)
    said = re.fullmatch(rf"(\d+) \* {metric['Id']} / (\d+)", expression["Expression"])
    assert said
    return None if held is None else int(said[1]) * held / int(said[2])


def firing(output: str) -> set[str]:
    """Return the alarms that fire for some output, if it goes on for as long as they wait."""
    printed, fired = printed_in(output), set()
    for name in PRINTED:
        alarm = resolved(ALARMS[name])
        value = value_of(alarm, printed)
        assert alarm["ComparisonOperator"] == "GreaterThanThreshold"
        if value is not None and value > alarm["Threshold"]:
            fired.add(name)
    return fired


@pytest.fixture
def on_lambda(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return what makes this process one of the functions, with the environment that the template gives it."""

    def be(function: str) -> None:
        properties = RESOURCES[f"{function}LambdaFunction"]["Properties"]
        given = properties["Environment"]["Variables"]
        monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", resolved(properties["FunctionName"]))
        for name in ("POWERTOOLS_SERVICE_NAME", "PENSTOCK_METRICS"):
            monkeypatch.setenv(name, resolved(given[name]))

    return be


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


@pytest.mark.parametrize("alarm", ALARMS)
def test_every_alarm_has_a_runbook(alarm: str) -> None:
    """The description ends with a section of the page on alarms, and tells somebody."""
    found = re.fullmatch(r".+ Runbook: docs/alarms\.md#([a-z-]+)", ALARMS[alarm]["AlarmDescription"])
    assert found
    headings = re.findall(r"^## (.+)$", (ROOT / "docs/alarms.md").read_text(), re.MULTILINE)
    assert found[1] in {heading.lower().replace(" ", "-") for heading in headings}
    assert ALARMS[alarm]["AlarmActions"] == [{"Ref": "AlarmsTopic"}]


def test_every_runbook_has_an_alarm() -> None:
    """No section of the page is left over, and no alarm is left out of these tests."""
    named = {one["AlarmDescription"].rpartition("#")[2] for one in ALARMS.values()}
    headings = re.findall(r"^## (.+)$", (ROOT / "docs/alarms.md").read_text(), re.MULTILINE)
    assert {heading.lower().replace(" ", "-") for heading in headings} == named
    assert {*ALARMS} == PRINTED | {*AWS_ALARMS}


@pytest.mark.parametrize("alarm", AWS_ALARMS)
def test_an_alarm_on_a_metric_of_aws(alarm: str) -> None:
    """It watches a queue or a function of the service, and fires just above its threshold."""
    namespace, metric, resource, most = AWS_ALARMS[alarm]
    properties = resolved({name: one for name, one in ALARMS[alarm].items() if name != "Dimensions"})
    assert (properties["Namespace"], properties["MetricName"]) == (namespace, metric)
    (dimension,) = ALARMS[alarm]["Dimensions"]
    assert dimension["Name"] == {"AWS/SQS": "QueueName", "AWS/Lambda": "FunctionName"}[namespace]
    assert [*references(dimension)] == [resource]
    assert (properties["ComparisonOperator"], properties["Threshold"]) == ("GreaterThanThreshold", most)
    assert properties["Statistic"] == {"AWS/SQS": "Maximum", "AWS/Lambda": "Sum"}[namespace]


@pytest.mark.server
def test_a_batch_fires_nothing(engine: Engine, on_lambda: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Intents that are written, wait for their parents, or are dead have alarms of the queues at most."""
    on_lambda("Drain")
    Bench(engine)([ThingMade(name="a"), ThingMade(name="b", parent="comes later"), "no json"])
    output = capsys.readouterr().out
    assert [one.values for one in printed_in(output) if one.name == "BatchSize"] == [[3]]
    assert firing(output) == set()


@pytest.mark.server
def test_a_fault_of_the_deployment_fires(
    engine: Engine, on_lambda: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Intents that wait for a column that is missing."""
    on_lambda("Drain")
    bench = Bench(engine)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE things DROP COLUMN size"))
    bench([ThingMade(name="a", size=1), ThingMade(name="b", size=1)])
    assert firing(capsys.readouterr().out) == {"DeploymentFaultAlarm"}


def test_an_outage_fires(
    on_lambda: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that is away is no fault of the deployment: the probe, which finds it away, has the alarm."""
    aws = LambdaStub()
    monkeypatch.setattr(breaker, "lambda_client", lambda: aws)
    bench = Outage(NOWHERE, aws, metrics=True)
    on_lambda("Drain")
    bench()
    assert bench.aws.marked
    output = capsys.readouterr().out
    assert firing(output) == set()
    assert [one.values for one in printed_in(output) if one.dimensions.get("state") == "open"] == [[1]]
    on_lambda("Probe")
    bench.probe()
    assert firing(capsys.readouterr().out) == {"BreakerOpenAlarm"}


@pytest.mark.server
def test_the_probe_prints_how_the_breaker_closes(
    database_url: str, on_lambda: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each change is counted once, with the checks of the database; a closed breaker fires nothing."""
    on_lambda("Probe")
    aws = LambdaStub(on=False, tags={MARK: "OperationalError"})
    bench = Outage(database_url, aws, metrics=True)
    assert [bench.probe() for _ in range(3)] == ["half-open", "closed", "closed"]
    bench.engine.dispose()
    output = capsys.readouterr().out
    assert firing(output) == set()
    by_label = {
        label: one.values
        for one in printed_in(output)
        for label in one.dimensions.values()
        if len(one.dimensions) > 2
    }
    assert [by_label[label] for label in ("half-open", "closed", "well")] == [[1], [1], [1]]


@pytest.mark.server
def test_connections_above_the_budget_fire(
    engine: Engine, database_url: str, on_lambda: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Sessions of the service, those of frozen instances among them, against the budget of 14."""
    on_lambda("Drain")
    bench = Bench(engine)
    engines = [make_engine(database_url) for _ in range(13)]
    held = [one.connect() for one in engines]
    bench([ThingMade(name="a")])
    output = capsys.readouterr().out
    assert [one.values for one in printed_in(output) if one.name == "Connections"] == [[13]]
    assert firing(output) == {"BudgetAlarm"}
    for connection in held:
        connection.close()
        connection.engine.dispose()


@pytest.mark.server
def test_a_postponed_rotation_fires(engine: Engine, on_lambda: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """A rotation that was due, and did not get the ledger; not the one that does."""
    on_lambda("Prune")
    with engine.begin() as connection:
        connection.execute(text("UPDATE penstock.rotation SET rotated_at = rotated_at - interval '90 days'"))
    prune = Prune(Settings(metrics=True), engine=engine)
    other = make_engine(engine.url.render_as_string(hide_password=False))
    with other.begin() as connection:
        connection.execute(text("SELECT FROM penstock.ledger"))
        prune.handler({}, LambdaContext(seconds=9))
    other.dispose()
    assert firing(capsys.readouterr().out) == {"RotationPostponedAlarm"}
    prune.handler({}, LambdaContext(seconds=60))
    assert firing(capsys.readouterr().out) == set()


def test_the_dashboard_shows_metrics_that_exist() -> None:
    """It is JSON; each metric of Penstock's has a name that the functions print, with its dimensions."""
    body = json.loads(resolved_dashboard())
    known = {metric.name: metric for metric in names.METRICS}
    seen = set()
    for widget in body["widgets"]:
        for namespace, metric, *dimensions in _expanded(widget["properties"]["metrics"]):
            if namespace == names.NAMESPACE:
                label = known[metric].label
                wanted = ["service", "function", *([label] if label in dimensions else [])]
                assert dimensions[::2] == wanted
                seen.add(metric)
    assert seen == {
        "Applied", "Stale", "Duplicate", "Dead", "Lag", "HandedBack", "BatchSize", "RoundTrips", "Connections"
    }  # fmt: skip


def resolved_dashboard() -> str:
    """Return the body of the dashboard, with words in the place of what only a deployment knows."""
    said: str = RESOURCES["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    return re.sub(r"\$\{([\w:.]+)\}", lambda found: "14" if found[1] == "Budget" else found[1], said)


def _expanded(rows: Sequence[Sequence[Any]]) -> Iterator[list[str]]:
    """Yield the metrics of a widget, without the abbreviations of CloudWatch for "as in the row before"."""
    before: list[str] = []
    for row in rows:
        words = [word for word in row if isinstance(word, str)]
        if not words:
            continue  # An expression.
        if words[0] == "...":
            words = before[: len(before) - len(words) + 1] + words[1:]
        before = [before[place] if word == "." else word for place, word in enumerate(words)]
        yield before
