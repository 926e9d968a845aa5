"""The guide to changing an intent: each of its changes is compatible, and its commands exist."""

import re
from types import ModuleType
from typing import Any

import pytest

from penstock import WriteIntent
from penstock.intents import Contract, encode_envelope, new_id
from penstock.intents.schema.compatibility import Compatibility, compare
from penstock.intents.schema.document import document
from tests.support.project import ROOT

GUIDE = (ROOT / "docs" / "evolution.md").read_text()


SECTIONS = {part.splitlines()[0]: part for part in GUIDE.split("\n## ")[1:]}


def code_of(section: str) -> list[dict[str, Any]]:
    """Run each snippet of a section in a new module; return the names that it defines."""
    spaces = []
    for number, code in enumerate(re.findall(r"```python\n(.*?)```", SECTIONS[section], re.DOTALL)):
        module = ModuleType(f"guide_{number}")
        exec(compile(f"from __future__ import annotations\n{code}", section, "exec"), vars(module))  # noqa: S102
        spaces.append(vars(module))
    return spaces


def intents_of(space: dict[str, Any]) -> list[type[WriteIntent]]:
    """Return the intents with a kind that a snippet defines."""
    values = space.values()
    return [v for v in values if isinstance(v, type) and issubclass(v, WriteIntent) and hasattr(v, "intent_kind")]


@pytest.mark.parametrize("section", [name for name, text in SECTIONS.items() if text.count("```python") == 2])
def test_each_change_of_the_guide_is_compatible(section: str) -> None:
    """In each section the second snippet decodes a message of the first, and the verdict agrees."""
    before, after = code_of(section)
    old, new = intents_of(before), intents_of(after)
    message = encode_envelope(before["example"], id=new_id(), source="/shop")
    assert Contract(new).decode(message).data == after["example"]
    changes = compare(document(old), document(new))
    assert {change.verdict for change in changes if change.messages == "old"} <= {
        Compatibility.COMPATIBLE,
        Compatibility.UPGRADED,
    }


def test_the_guide_covers_each_change() -> None:
    """The guide adds, renames, removes and retypes a field, and renames and splits a kind; its commands exist."""
    assert sum(text.count("```python") == 2 for text in SECTIONS.values()) >= 6
    commands = set(re.findall(r"penstock intents ([a-z]+)", GUIDE))
    assert commands == {"list", "schema", "diff"}
