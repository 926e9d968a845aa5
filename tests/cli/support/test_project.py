"""Finding the service in serverless.yml."""

from pathlib import Path

import pytest

from penstock.cli.support.project import Project
from tests.support.cli_stack import Run


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("service: shop\n", "shop"),
        ("service:\n  name: shop\n", "shop"),
        ("service: ${env:X}\n", None),
        ("provider: {a: !GetAtt [b, c], d: !Sub {x: y}}\nservice: shop\n", "shop"),
        ("[1]", None),
    ],
)
def test_the_service_is_read_from_serverless_yml(folder: Path, text: str, name: str | None) -> None:
    """The name is found in each form that serverless.yml allows, also from a subfolder."""
    (folder / "serverless.yml").write_text(text)
    inner = folder / "consumer" / "deep"
    inner.mkdir(parents=True)
    assert Project.find(inner) == Project(folder, name)


def test_an_invalid_serverless_yml_is_named(folder: Path, run: Run) -> None:
    """A file that is not YAML is an error of one line."""
    (folder / "serverless.yml").write_text("a: [")
    ended = run("dlq", "list", "--stage", "dev")
    assert ended.code == 2
    assert "serverless.yml is not YAML" in ended.err
