"""The export as plain CloudFormation; tests/e2e compares it with what osls packages."""

import json
import re

import pytest

from penstock.infra.template import PARTS, TemplateError, cloudformation_template
from penstock.infra.variables import VariableError, Variables


def test_no_serverless_variable_is_left() -> None:
    """The template has no variable of the Serverless Framework, and each parameter is used."""
    made = cloudformation_template(artifacts="build/dev", parts=PARTS)
    content = json.dumps({section: made[section] for section in ("Conditions", "Resources", "Outputs")})
    assert not re.search(r"\$\{(self|sls|file|param|opt|env)[:(]", json.dumps(made))
    unused = [name for name in made["Parameters"] if f'"{name}"' not in content and f"{{{name}}}" not in content]
    assert unused == []
    required = {name for name, one in made["Parameters"].items() if "Default" not in one}
    assert required == {"Service", "Stage", "AlarmsTopic", "Deployment", "EventsBus"}


def test_own_network() -> None:
    """The ids of a VPC are parameters without a default; with the part `network`, there are none."""
    own = cloudformation_template(artifacts="build", parts=["vpc", "endpoints"])["Parameters"]
    assert own["VpcSubnetIds"] == {
        "Type": "List<AWS::EC2::Subnet::Id>",
        "Description": "The key `vpc.subnetIds` in docs/infrastructure.md",
    }
    made = cloudformation_template(artifacts="build", parts=["vpc", "endpoints", "network"])
    assert not [name for name in made["Parameters"] if name.startswith("Vpc")]


def test_only_database_functions_are_in_the_vpc() -> None:
    """The part `vpc` puts the functions with the database's URL inside; only their roles get the permission."""
    made = cloudformation_template(artifacts="build", parts=["vpc"])["Resources"]
    roles = {name for name, one in made.items() if "ManagedPolicyArns" in one["Properties"]}
    inside = {name for name, one in made.items() if "VpcConfig" in one["Properties"]}
    assert len(inside) == len(roles) == 6
    assert {made[name]["Properties"]["Role"]["Fn::GetAtt"][0] for name in inside} == roles
    assert "ProducerRole" not in roles
    outside = cloudformation_template(artifacts="build")["Resources"]
    assert "ec2:" not in json.dumps(outside)


def test_the_sender_may_use_one_bus() -> None:
    """Its role has two actions of EventBridge, on the bus that is named; without the part nobody has any."""
    made = cloudformation_template(artifacts="build", parts=["events"])["Resources"]
    assert json.dumps(made).count("events:PutEvents") == 1
    policy = made["EventsRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"][-1]
    assert policy["Action"] == ["events:DescribeEventBus", "events:PutEvents"]
    assert policy["Resource"]["Fn::Sub"].endswith(":event-bus/${EventsBus}")
    assert "events:PutEvents" not in json.dumps(cloudformation_template(artifacts="build"))


def test_a_gradual_deployment() -> None:
    """The queue feeds the alias, whose version is a new one each time; alarms that are there send it back."""
    made = cloudformation_template(artifacts="build", parts=["alarms", "gradual"])["Resources"]
    assert made["DrainEventSourceMappingSQSQueue"]["Properties"]["FunctionName"] == {"Ref": "DrainAlias"}
    alias, version = made["DrainAlias"], made["DrainVersion"]
    assert alias["Properties"]["FunctionVersion"] == {"Fn::GetAtt": ["DrainVersion", "Version"]}
    assert version["UpdateReplacePolicy"] == "Retain"
    changed = {name for name, one in made.items() if "${Deployment}" in str(one) or "'Deployment'" in str(one)}
    assert changed == {"DrainLambdaFunction", "DrainVersion"}
    assert alias["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"] == {
        "ApplicationName": {"Ref": "DrainDeployments"},
        "DeploymentGroupName": {"Ref": "DrainDeploymentGroup"},
    }
    alarms = made["DrainDeploymentGroup"]["Properties"]["AlarmConfiguration"]["Alarms"]
    assert {made[one["Name"]["Ref"]]["Type"] for one in alarms} == {"AWS::CloudWatch::Alarm"}
    (statement, _) = made["DrainDeploymentsRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
    assert statement["Resource"]["Fn::Sub"].endswith(":function:${Service}-${Stage}-drain:live")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"parts": ["vcp"]}, "there is no part vcp: the parts are throttle, fifo, vpc"),
        ({"parts": ["aurora"]}, "the part aurora needs the part vpc"),
        ({"parts": ["gradual"]}, "the part gradual needs the part alarms"),
        ({"parts": ["eventsVpc", "vpc"]}, "the part eventsVpc needs the part events"),
        ({"authorizer": "local"}, "jwt or iam"),
        ({"defaults": {"DrainConcurency": 1}}, "there is no parameter DrainConcurency"),
    ],
)
def test_wrong_options(options: dict[str, object], message: str) -> None:
    """A wrong option is refused, with the right ones."""
    with pytest.raises(TemplateError, match=message):
        cloudformation_template(artifacts="build", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${self:custom.penstock.a, 3}", {"Ref": "A"}),
        ("x-${self:custom.penstock.a, 3}-y", {"Fn::Sub": "x-${A}-y"}),
        ("${self:custom.penstock.b, self:service}", {"Fn::If": ["HasB", {"Ref": "B"}, {"Ref": "Service"}]}),
        (
            "x-${self:custom.penstock.b, 'q-${sls:stage}'}",
            {
                "Fn::Sub": [
                    "x-${BOrDefault}",
                    {"BOrDefault": {"Fn::If": ["HasB", {"Ref": "B"}, {"Fn::Sub": "q-${Stage}"}]}},
                ]
            },
        ),
        ("${file(infra/penstock.yml):${self:custom.penstock.kind, 'one'}.name}", "first"),
        ("${self:custom.penstock.list.0}", "l"),
        ("plain ${AWS::Region}", "plain ${AWS::Region}"),
    ],
)
def test_variable(text: str, value: object) -> None:
    """Each form of a variable has its form in CloudFormation."""
    document = {"one": {"name": "first"}}
    assert Variables(document, {"kind": "one", "list": ["l"]}).resolve(text) == value


@pytest.mark.parametrize("text", ["${self:provider.region}", "${file(infra/penstock.yml):none}", "${self:service"])
def test_unknown_variable(text: str) -> None:
    """A variable that is not known, or refers to nothing, is an error, never left in the template."""
    with pytest.raises(VariableError):
        Variables({}, {}).resolve(text)
