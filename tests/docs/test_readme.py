"""The README does what it says."""

import re
import sys
from types import ModuleType

import pytest
from typer.main import get_command

from penstock.cli.app import tree
from penstock.producer import Producer, emitter
from penstock.settings import Settings
from penstock.testing import MemoryQueue
from tests.support.http import call
from tests.support.project import ROOT

README = (ROOT / "README.md").read_text()
SNIPPETS = dict(re.findall(r"\(`([\w/]+\.py)`\).*?```python\n(.*?)```", README, re.DOTALL))


def test_the_snippets_are_what_the_shop_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """The intent, the handler and the binding of the README run, and take a request to the queue."""
    assert list(SNIPPETS) == ["shared/intents.py", "producer/stock.py", "consumer/writes.py"]
    modules = {}
    for path, code in SNIPPETS.items():
        name = path.removesuffix(".py").replace("/", ".")
        modules[name] = ModuleType(name)
        monkeypatch.setitem(sys.modules, name, modules[name])
        exec(compile(code, path, "exec"), vars(modules[name]))  # noqa: S102
    queue = MemoryQueue()
    producer = Producer(Settings(receipt_key="key", source="/shop"), queue)
    monkeypatch.setattr(emitter, "environment_producer", lambda: producer)
    assert call("stock", {"delta": -2})[0] == 202
    assert [body["data"] for body in queue.bodies] == [{"sku": "A1", "delta": -2}]
    assert callable(modules["consumer.writes"].handler)


def test_every_command_of_the_readme_exists() -> None:
    """Each `penstock` and each `make` command in the README is one that there is."""
    commands = re.findall(r"^\s*\$ \.venv/bin/penstock ([a-z ]+[a-z])", README, re.MULTILINE)
    assert len(commands) >= 7
    for words in commands:
        command = get_command(tree())
        for word in words.split()[:2]:
            command = command.commands[word]  # type: ignore[attr-defined]
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"\$ make ([a-z]+)", README)) <= targets


def test_every_setting_is_in_the_readme() -> None:
    """The table of settings names each variable that is read, and no other."""
    variables = {f.metadata["variable"] for f in Settings.__dataclass_fields__.values()}
    assert set(re.findall(r"^\| `(PENSTOCK_\w+)`", README, re.MULTILINE)) == variables
