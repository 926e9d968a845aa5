"""The README does what it says."""

import re
import sys
import tomllib
from types import ModuleType

import pytest

from penstock.producer import Producer, emitter
from penstock.settings import Settings
from penstock.testing import MemoryQueue
from tests.support.http import call
from tests.support.project import ROOT
from tests.support.snippets import PAGES

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
    assert [bound.kind for bound in modules["consumer.writes"].drain.bound()] == ["stock.adjusted"]


def test_the_readme_is_short() -> None:
    """Tables and details are in docs/."""
    assert len(README.split()) < 1000


def test_the_name_to_install() -> None:
    """Pages install the distribution by its own name, never by that of a stranger's project."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["name"]
    installed = [
        word for page in PAGES for word in re.findall(r"(?:pip install|uvx --from) '?([\w-]+)", page.read_text())
    ]
    assert set(installed) == {project}
    assert len(installed) >= 2
