"""The relations between the numbers of a template."""

from typing import Any

import pytest

from penstock.infra.template import cloudformation_template
from tests.support.doctor import check_numbers
from tests.support.infra_tools import WITHOUT_EVENTS


def template(**defaults: Any) -> dict[str, Any]:
    return cloudformation_template(artifacts="build", parts=WITHOUT_EVENTS, defaults=defaults)


def fifo_template(**defaults: Any) -> dict[str, Any]:
    return cloudformation_template(artifacts="build", parts=["fifo"], defaults=defaults)


def test_the_defaults_fit_together() -> None:
    """A service that sets nothing has no finding."""
    assert check_numbers(template()) == []
    assert check_numbers(fifo_template()) == []


def test_batches_of_a_fifo_queue() -> None:
    """SQS gives at most ten messages of a FIFO queue at once."""
    (found,) = check_numbers(fifo_template(DrainBatchSize=11))
    assert "BatchSize is 11" in found
    assert "FIFO" in found


@pytest.mark.parametrize(
    ("numbers", "finding"),
    [
        ({"DrainConcurrency": 10}, "budget is 14, and the functions hold up to 19 connections"),
        ({"PoolSize": 2}, "set `budget: 28`"),
        ({"Budget": 13}, "set `budget: 14`"),
        ({"Budget": 15}, "set `budget: 14`"),
        ({"QueueVisibilityTimeout": 180}, "has to be from 181 "),
        ({"DrainTimeout": 60}, "has to be from 361 "),
        ({"QueueVisibilityTimeout": 43_201}, "to 43200"),
        ({"DrainConcurrency": 1, "Budget": 10}, "SQS requires at least 2"),
        ({"DrainWindow": 0}, "the window has to be at least 1 (s), and is 0"),
        ({"PayloadsDays": 55}, "has to be at least 56"),
        ({"WritesTimeout": 30}, "API Gateway waits for 30"),
        ({"AuroraMaxConnections": 99}, "the proxy opens 14 % of 99 connections, and the budget is 14"),
        ({"AuroraProxyPercent": 13}, "the proxy opens 13 % of 100 connections"),
        ({"DrainConcurrency": 100, "Budget": 109}, "the proxy opens 109 % of 100 connections"),
    ],
)
def test_a_number_that_does_not_fit(numbers: dict[str, int], finding: str) -> None:
    """One number that does not fit is one finding, which has the number that fits."""
    (found,) = check_numbers(template(**numbers))
    assert finding in found


@pytest.mark.parametrize(
    "numbers",
    [
        {"DrainConcurrency": 10, "Budget": 19},
        {"DrainTimeout": 60, "QueueVisibilityTimeout": 361},
        {"DrainWindow": 0, "DrainBatchSize": 10},
        {"DrainConcurrency": 100, "Budget": 109, "AuroraMaxConnections": 200, "AuroraProxyPercent": 60},
    ],
)
def test_numbers_that_fit(numbers: dict[str, int]) -> None:
    """Numbers that are changed together have no finding."""
    assert check_numbers(template(**numbers)) == []


def test_a_function_without_bound() -> None:
    """A function of the service that has the database's URL needs a bound, because it is part of the budget."""
    made = template()
    variables = {"PENSTOCK_DATABASE_URL": "postgresql://db"}
    own = {"Type": "AWS::Lambda::Function", "Properties": {"Environment": {"Variables": variables}}}
    made["Resources"]["ReportLambdaFunction"] = own
    (found,) = check_numbers(made)
    assert "ReportLambdaFunction" in found
    assert "ReservedConcurrentExecutions" in found


def test_throttled_pollers() -> None:
    """A queue that may invoke more drains than are reserved is a finding."""
    made = template()
    made["Resources"]["DrainLambdaFunction"]["Properties"]["ReservedConcurrentExecutions"] = 4
    assert any("are reserved" in one for one in check_numbers(made))


def test_what_only_a_deployment_knows() -> None:
    """A template without Penstock's resources has no finding but that it states no budget for none."""
    assert check_numbers({"Resources": {}, "Outputs": {"ConnectionBudget": {"Value": "0"}}}) == []
