"""How a serverless.yml uses the parts."""

from typing import Any

import pytest
import yaml

from penstock.infra.service_file import check_service_file, included_parts, plain_values
from tests.support.project import ROOT

SERVICE = """
service: library
custom:
  penstock: {}
functions:
  - ${file(infra/penstock.yml):functions}
  - loans: {handler: desk/loans.handler}
resources:
  - ${file(infra/penstock.yml):resources}
  - Resources: {Shelf: {Type: AWS::S3::Bucket}}
"""


def service(**block: Any) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(SERVICE)
    content["custom"]["penstock"] = block
    return content


def test_the_shop() -> None:
    """The shop's file and one with the least have no finding."""
    assert check_service_file(yaml.safe_load((ROOT / "serverless.yml").read_text())) == []
    assert check_service_file(service()) == []
    assert check_service_file(service() | {"custom": "${file(custom.yml)}"}) == []


@pytest.mark.parametrize(
    ("block", "finding"),
    [
        (
            {"drain": {"batchsize": 1}},
            "custom.penstock.drain.batchsize is not a key of Penstock: did you mean drain.batchSize?",
        ),
        ({"colour": 1}, "docs/infrastructure.md lists the keys"),
        ({"vpc": {"subnetIds": ["a"]}}, "add `- ${file(infra/penstock.yml):vpc}`"),
        ({"throttle": {"rate": 1}}, "custom.penstock.throttle has no effect without it"),
    ],
)
def test_a_key_without_effect(block: dict[str, Any], finding: str) -> None:
    """A key that nothing reads is named, with the nearest one or the part that reads it."""
    (found,) = check_service_file(service(**block))
    assert finding in found


def test_the_two_lines_of_events() -> None:
    """Who names a bus needs the resources and the function, and in a VPC the extension for it."""
    content = service(events={"bus": "outcomes"})
    (found,) = check_service_file(content)
    assert "add `- ${file(infra/penstock.yml):events}`" in found
    content["resources"].append("${file(infra/penstock.yml):events}")
    (found,) = check_service_file(content)
    assert "`functions` does not include the part eventsFunction" in found
    content["functions"].append("${file(infra/penstock.yml):eventsFunction}")
    assert check_service_file(content) == []
    content["resources"].append("${file(infra/penstock.yml):vpc}")
    (found,) = check_service_file(content)
    assert "add `- ${file(infra/penstock.yml):eventsVpc}`" in found
    content["functions"].append({"events": {"handler": "desk/events.handler"}})
    assert "the function events is also one of Penstock's" in check_service_file(content)[1]


def test_a_part_that_there_is_not() -> None:
    """A part that the file does not have is named, with those that it has."""
    content = service()
    content["resources"].append("${file(infra/penstock.yml):vcp}")
    (found,) = check_service_file(content)
    assert "has no part vcp: its parts are throttle, fifo, vpc" in found


def test_a_key_that_is_a_whole() -> None:
    """What is inside a value that a part takes as it is, such as a permission, is no key."""
    permission = {"Effect": "Allow", "Action": "rds-db:connect", "Resource": "*"}
    assert check_service_file(service(database={"url": "postgresql://db", "permission": permission})) == []


def test_missing_parts() -> None:
    """A file that includes neither functions nor resources is told both lines."""
    found = check_service_file({"service": "library", "functions": {}, "resources": {}})
    assert [one.split("add ")[1] for one in found] == [
        "`- ${file(infra/penstock.yml):functions}`",
        "`- ${file(infra/penstock.yml):resources}`",
    ]


def test_a_part_by_parameter() -> None:
    """A part can be the value of a parameter, because stages differ: the local stack has no VPC."""
    params = {"default": {"network": "${file(infra/penstock.yml):vpc}"}, "local": {"network": {}}}
    content = service(vpc={"subnetIds": ["a"]}) | {"params": params}
    assert check_service_file(content) == []
    assert included_parts(content) == ["vpc"]


def test_the_same_name_twice() -> None:
    """A function, resource or output with a name of Penstock's is named: osls would merge the two."""
    content = service()
    content["functions"].append({"writes": {"handler": "desk/writes.handler"}})
    content["resources"].append({"Resources": {"Queue": {}}, "Outputs": {"QueueUrl": {}}})
    found = check_service_file(content)
    assert [one.split(" is also")[0] for one in found] == [
        "the function writes",
        "resources.Resources.Queue",
        "resources.Outputs.QueueUrl",
    ]


def test_plain_values() -> None:
    """Values are those of parameters; a variable is one that only osls resolves."""
    values, unresolved = plain_values(service(drain={"timeout": 60, "window": "${param:window}"}, poolSize=2))
    assert values == {"DrainTimeout": 60, "PoolSize": 2}
    assert unresolved == ["drain.window"]
