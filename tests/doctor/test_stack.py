"""Values of a template: intrinsic functions, parameters, conditions, nested stacks, and what only AWS knows."""

from pathlib import Path
from typing import Any

import pytest

from penstock.doctor.files import read_stack
from penstock.doctor.load import parse_template
from penstock.doctor.stack import Stack
from penstock.doctor.values import Reference, Unknown, as_flag, as_list, as_number, as_text

TEMPLATE = {
    "Parameters": {
        "Stage": {"Type": "String", "Default": "dev"},
        "Size": {"Type": "Number", "Default": "7"},
        "Subnets": {"Type": "List<AWS::EC2::Subnet::Id>", "Default": "a, b"},
        "Needed": {"Type": "String"},
    },
    "Mappings": {"Sizes": {"dev": {"Timeout": 9}}},
    "Conditions": {
        "IsDev": {"Fn::Equals": [{"Ref": "Stage"}, "dev"]},
        "IsProd": {"Fn::Not": [{"Condition": "IsDev"}]},
        "Both": {"Fn::And": [{"Condition": "IsDev"}, {"Condition": "IsProd"}]},
        "Either": {"Fn::Or": [{"Condition": "IsDev"}, {"Condition": "Hidden"}]},
        "Hidden": {"Fn::Equals": [{"Ref": "AWS::Region"}, "eu-central-1"]},
        "Circle": {"Fn::Not": [{"Condition": "Circle"}]},
    },
    "Resources": {"Queue": {"Type": "AWS::SQS::Queue"}},
}


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({"Ref": "Stage"}, "dev"),
        ({"Ref": "Subnets"}, ["a", "b"]),
        ({"Fn::Sub": "${Stage}-${AWS::Region}-${!Literal}"}, "dev-${AWS::Region}-${Literal}"),
        ({"Fn::Sub": ["${x}/${Queue.Arn}", {"x": {"Ref": "Size"}}]}, "7/${Queue.Arn}"),
        ({"Fn::Join": ["-", [{"Ref": "Stage"}, {"Ref": "Queue"}, 1]]}, "dev-${Queue}-1"),
        ({"Fn::Select": [1, {"Fn::Split": [",", "a,b"]}]}, "b"),
        ({"Fn::FindInMap": ["Sizes", {"Ref": "Stage"}, "Timeout"]}, 9),
        ({"Fn::If": ["IsDev", 1, 2]}, 1),
        ({"Fn::If": ["IsProd", 1, 2]}, 2),
        ({"Fn::If": ["Both", 1, 2]}, 2),
        ({"Fn::If": ["Either", 1, 2]}, 1),
        ({"Fn::If": ["Hidden", 2, 2]}, 2),
        ([1, {"Ref": "AWS::NoValue"}, {"a": {"Ref": "AWS::NoValue"}, "b": None}], [1, {"b": None}]),
    ],
)
def test_known_values(value: Any, found: Any) -> None:
    """What the template says is known; what it does not say inside a text stays as a variable."""
    assert Stack(TEMPLATE).resolve(value) == found


@pytest.mark.parametrize(
    "value",
    [
        {"Ref": "Needed"},
        {"Ref": "Nobody"},
        {"Ref": ["Stage"]},
        {"Ref": "AWS::AccountId"},
        {"Fn::GetAtt": "Nobody.Arn"},
        {"Fn::GetAtt": [1]},
        {"Fn::ImportValue": "x"},
        {"Fn::If": ["Hidden", 1, 2]},
        {"Fn::If": ["Circle", 1, 2]},
        {"Fn::If": "IsDev"},
        {"Fn::Select": [9, ["a"]]},
        {"Fn::Split": [",", {"Fn::Sub": "${AWS::Region},a"}]},
        {"Fn::FindInMap": ["Sizes", "prod", "Timeout"]},
        {"Fn::Sub": {}},
        {"Fn::Join": [",", {"Ref": "Needed"}]},
        {"Fn::NotYetInvented": {}},
    ],
)
def test_unknown_values(value: Any) -> None:
    """What only a deployment knows, or what is malformed, is unknown with a reason, and never a value."""
    found = Stack(TEMPLATE).resolve(value)
    assert isinstance(found, Unknown)
    assert found.why


def test_references() -> None:
    """A reference is one in every form, also as the only variable of a text."""
    stack = Stack(TEMPLATE)
    arn = Reference(stack.resources["Queue"], "Arn")
    for value in ({"Fn::GetAtt": ["Queue", "Arn"]}, {"Fn::GetAtt": "Queue.Arn"}, {"Fn::Sub": "${Queue.Arn}"}):
        assert stack.resolve(value) == arn
    assert str(arn) == "${Queue.Arn}"


def test_forms_of_values() -> None:
    """Numbers and booleans may be texts; what is none is unknown, and nothing is cut off or guessed."""
    assert [as_number(one) for one in (3, "3", " 2.5 ", None)] == [3, 3, 2.5, None]
    odd: list[Any] = [True, "x", "nan", float("inf"), 10**400, "9" * 400, "${Stage}", "{{resolve:ssm:x}}", [], {}]
    assert all(isinstance(as_number(one), Unknown) for one in odd)
    assert [as_flag(one) for one in (True, "true", "False", None)] == [True, True, False, False]
    assert isinstance(as_flag("maybe"), Unknown)
    assert [as_text(one) for one in ("a", 1, True, None)] == ["a", "1", "true", None]
    assert [as_list(one) for one in (None, "a", ["a"])] == [[], ["a"], ["a"]]


def test_short_tags() -> None:
    """YAML with short tags is the same template as its long form, and a date is a text."""
    short = parse_template(
        "Resources: {A: {B: !GetAtt Q.Arn, C: !Sub '${X}', D: !If [E, !Ref F, 1], G: 2012-10-17}}"
    )
    assert short["Resources"]["A"] == {
        "B": {"Fn::GetAtt": ["Q", "Arn"]},
        "C": {"Fn::Sub": "${X}"},
        "D": {"Fn::If": ["E", {"Ref": "F"}, 1]},
        "G": "2012-10-17",
    }


def test_nested_stacks(tmp_path: Path) -> None:
    """Parameters go into a nested stack, outputs and references come out of it."""
    inner = """
      Parameters: {Size: {Type: Number, Default: 1}, Name: {Type: String}}
      Resources: {Queue: {Type: "AWS::SQS::Queue", Properties: {VisibilityTimeout: !Ref Size}}}
      Outputs: {Arn: {Value: !GetAtt Queue.Arn}, Name: {Value: !Ref Name}}
    """
    outer = """
      Parameters: {Stage: {Type: String, Default: dev}}
      Resources:
        Inner:
          Type: AWS::CloudFormation::Stack
          Properties: {TemplateURL: inner.yml, Parameters: {Size: 9, Name: !Ref Stage}}
        Away: {Type: "AWS::CloudFormation::Stack", Properties: {TemplateURL: "https://bucket/x"}}
        Itself: {Type: "AWS::CloudFormation::Stack", Properties: {TemplateURL: outer.yml}}
    """
    (tmp_path / "inner.yml").write_text(inner)
    (tmp_path / "outer.yml").write_text(outer)
    stack = read_stack(tmp_path / "outer.yml")
    queue = next(one for one in stack.everything() if one.name == "Inner/Queue")
    assert queue.at("VisibilityTimeout") == 9
    assert stack.resolve({"Fn::GetAtt": ["Inner", "Outputs.Arn"]}) == Reference(queue, "Arn")
    assert stack.resolve({"Fn::GetAtt": ["Inner", "Outputs.Name"]}) == "dev"
    assert isinstance(stack.resolve({"Fn::GetAtt": ["Inner", "Outputs.None"]}), Unknown)
    assert "examine the deployed stack" in stack.unseen["Away"]
    assert len(list(stack.stacks())) == 11, "a stack that nests itself ends"
