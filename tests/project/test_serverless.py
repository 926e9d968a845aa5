"""The variables of serverless.yml that are resolved without osls."""

from pathlib import Path
from typing import Any

import pytest

from penstock.project.serverless import Serverless

CONTENT: dict[str, Any] = {
    "params": {"default": {"a": "one", "b": "${self:custom.deep.text}"}, "prod": {"a": "two"}},
    "custom": {"deep": {"text": "t-${param:a}", "number": 1}, "loop": "${self:custom.loop}"},
}


@pytest.mark.parametrize(
    ("value", "stage", "resolved"),
    [
        ("plain", "dev", "plain"),
        ("x/${sls:stage}/y", "dev", "x/dev/y"),
        ("${opt:stage}", "dev", "dev"),
        ("${opt:stage, 'other'}-${self:provider.stage}", "dev", "dev-dev"),
        ("${param:a}", "dev", "one"),
        ("${param:a}", "prod", "two"),
        ("${param:b}", "prod", "t-two"),
        ("${env:NOTHING, 'literal'}", "dev", "literal"),
        ('${ssm:/x, ""}', "dev", ""),
        ("${self:custom.${sls:stage}}", "loop", None),
        ("${self:custom.loop}", "dev", None),
        ("${self:custom.deep.number}", "dev", None),
        ("${param:missing}", "dev", None),
        ("${ssm:/x}", "dev", None),
        ("${file(x.yml):y}", "dev", None),
        (None, "dev", None),
        (1, "dev", None),
    ],
)
def test_variables(value: Any, stage: str, resolved: str | None) -> None:
    """The stage, parameters, own values and literal defaults are resolved; what needs osls is not known."""
    assert Serverless(CONTENT, stage, Path()).resolve(value) == resolved


def test_functions_in_other_files(tmp_path: Path) -> None:
    """Functions are found in files that a part of the list, or a function, refers to; others are not known."""
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "a.yml").write_text("functions: {one: {handler: a}, two: {handler: b}}\n")
    (tmp_path / "parts" / "b.yml").write_text("handler: c\n")
    parts = ["${file(parts/a.yml):functions}", {"three": "${file(./parts/b.yml)}", "four": {"handler": "d"}}]
    known = Serverless({"functions": parts}, "dev", tmp_path)
    assert known.functions == {
        "one": {"handler": "a"},
        "two": {"handler": "b"},
        "three": {"handler": "c"},
        "four": {"handler": "d"},
    }
    assert known.knows_all_functions
    for unknown in ("${file(parts/c.yml):functions}", "${param:functions}", {"five": "${file(parts/c.yml)}"}):
        assert not Serverless({"functions": [*parts, unknown]}, "dev", tmp_path).knows_all_functions
    assert Serverless({}, "dev", tmp_path).functions == {}
