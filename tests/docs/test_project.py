"""The page about the project file has every key, and its example is valid."""

import re
from pathlib import Path

import yaml

from penstock.project.config import ArtifactConfig, BuildConfig, Config
from penstock.project.serverless import Serverless
from tests.support.project import ROOT

PAGE = (ROOT / "docs" / "project.md").read_text()


def test_every_key_is_on_the_page() -> None:
    """The tables name each key that is read, and no other."""
    tables = re.findall(r"\| key of `\[(.*?)\]`.*?\n\|[-|]+\n((?:\|.*\n)+)", PAGE)
    found = {name: set(re.findall(r"^\| `(\w+)`", rows, re.MULTILINE)) for name, rows in tables}
    assert found == {
        "tool.penstock": Config.model_fields.keys() - {"folder", "build"},
        "tool.penstock.build": BuildConfig.model_fields.keys() - {"artifacts"},
        "tool.penstock.build.artifacts.NAME": ArtifactConfig.model_fields.keys(),
    }


def test_the_example(tmp_path: Path) -> None:
    """The example of the page has every key, and is read."""
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "pyproject.toml").write_text(example)
    config = Config.find(tmp_path)
    artifacts = config.build.artifacts
    assert config.model_fields_set == {"folder", "intents", "drain", "migrations", "build"}
    assert config.build.model_fields_set == BuildConfig.model_fields.keys()
    assert set().union(*(one.model_fields_set for one in artifacts.values())) == ArtifactConfig.model_fields.keys()
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    path = Serverless(yaml.safe_load(text), "prod", tmp_path).artifact("orders")
    assert path == "build/prod/producer.zip"
    assert "producer" in artifacts


def test_every_message_exists() -> None:
    """Each message of the table about refusals is one of the program."""
    sources = "".join(file.read_text() for file in (ROOT / "penstock" / "artifacts").glob("*.py"))
    messages = re.findall(
        r"^\| `(.*?)`(?:, `(.*?)`)? \|", PAGE.split("## When a build is refused")[1], re.MULTILINE
    )
    assert len(messages) >= 10
    for message in filter(None, (one for both in messages for one in both)):
        assert message.replace("command export", "command `export`") in sources
