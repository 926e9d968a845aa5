"""Templates that are malformed, huge, circular or hostile: refused with a reason, or examined; never a crash."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.doctor.examine import examine
from penstock.doctor.files import read_stack
from penstock.doctor.load import TemplateError, load_template, parse_template
from penstock.doctor.stack import Stack
from tests.support.doctor import own_template

SECRET = "hunter2"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        '{"Resources": []}',
        "{" * 100_000,
        "[" * 100_000,
        '{"Resources": {"a": ' + "[" * 3_000 + "]" * 3_000 + "}}",
        "a: [",
        f"Resources: {{a: '{SECRET}",
        "Resources: {a: " + "9" * 5_000 + "}",
        "Resources: {? [a] : b}",
        "Resources: !!python/object:os.system {}",
        "Resources: {a: 2026-99-99T00:00:00Z, b: !!int x}",
        "a0: &a0 {k: 1}\n"
        + "".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 20)}]}}\n" for n in range(1, 12)),
    ],
)
def test_no_template(text: str) -> None:
    """What is no template is refused without a word of it, in time."""
    with pytest.raises(TemplateError) as error:
        parse_template(text)
    assert SECRET not in str(error.value)


def test_no_file(tmp_path: Path) -> None:
    """A file that is missing, a folder, too large or binary is refused by its name."""
    (tmp_path / "large").write_bytes(b" " * (4 * 1024 * 1024 + 1))
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    for name in ("none", ".", "large", "binary", "/dev/zero"):
        with pytest.raises(TemplateError, match=r"is no file|bytes|UTF-8"):
            load_template(tmp_path / name)


CIRCULAR = """
Parameters: {P: {Type: String, Default: !Ref P}}
Globals: {Function: &g {Environment: *g}}
Conditions: {A: !Not [!Condition B], B: !Not [!Condition A]}
Resources:
  Q: &q
    Type: AWS::SQS::Queue
    Properties:
      VisibilityTimeout: *q
      RedrivePolicy: {deadLetterTargetArn: !GetAtt Q.Arn, maxReceiveCount: !Ref P}
  F:
    Type: AWS::Serverless::Function
    Properties:
      Role: !GetAtt F.Arn
      Environment: {Variables: {PENSTOCK_QUEUE_URL: !Ref Q, PENSTOCK_DATABASE_URL: !If [A, !Ref F, !Ref Q]}}
      Events: {Q: {Type: SQS, Properties: {Queue: !GetAtt Q.Arn, BatchSize: !Ref F}}, X: 1, Y: {Type: [a]}}
  N:
    Type: AWS::CloudFormation::Stack
    Properties: {TemplateURL: circular.yml, Parameters: {P: !GetAtt N.Outputs.O}}
Outputs: {O: {Value: !Ref P}, ConnectionBudget: {Value: !GetAtt N.Outputs.ConnectionBudget}}
"""


def test_circles(tmp_path: Path) -> None:
    """References in circles end: in the file, in its values, and between nested stacks."""
    (tmp_path / "circular.yml").write_text(CIRCULAR)
    found = examine(read_stack(tmp_path / "circular.yml"))
    assert any("only a deployment knows" in one.problem or "nested" in one.problem for one in found), found


def test_a_bomb() -> None:
    """Conditions of conditions that double at each level are given up after more than 300000 steps."""
    conditions = {"Hidden": {"Fn::Equals": [{"Ref": "AWS::Region"}, "x"]}}
    value: Any = 1
    for _ in range(40):
        value = {"Fn::If": ["Hidden", value, {"Fn::Join": ["", [value]]}]}
    queue = {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": value}}
    template = {"Conditions": conditions, "Resources": {"Queue": queue}}
    with pytest.raises(TemplateError, match="more than 300000 steps"):
        Stack(template).resources["Queue"].at("VisibilityTimeout")


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["Ref", "Fn::Sub", "Fn::If", "Fn::GetAtt", "Fn::Join", "Fn::Select", "Statement", "x"]
            ),
            inner,
            max_size=2,
        )
    ),
    max_leaves=8,
)


@given(st.integers(), st.lists(ODD, min_size=1, max_size=4))
@settings(max_examples=100)
def test_any_value_anywhere(seed: int, values: list[Any]) -> None:
    """Any values in the place of any others are examined, and the findings can be printed."""
    template, chance = own_template(), random.Random(seed)  # noqa: S311
    for value in values:
        parent, key = chance.choice(list(_spots(template)))
        parent[key] = value
    if isinstance(template.get("Resources"), dict):
        for finding in examine(Stack(template)):
            json.dumps(finding.problem)


def _spots(value: Any) -> Any:
    for key, item in list(value.items() if isinstance(value, dict) else enumerate(value)):
        yield value, key
        if isinstance(item, dict | list):
            yield from _spots(item)
