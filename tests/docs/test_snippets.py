"""Every fenced block of the README and docs/: code runs, commands and data parse."""

import ast
import asyncio
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Coroutine
from inspect import iscoroutine
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import uuid4

import pytest
import yaml
from sqlalchemy import Engine

import penstock
from penstock import WriteIntent
from penstock.database import ManagedEngine
from penstock.producer import Producer, emitter
from penstock.settings import Settings
from penstock.testing import MemoryQueue
from shared.intents import StockAdjusted
from tests.support.project import ROOT
from tests.support.snippets import Snippet, calls, parse_call, snippets

LANGUAGES = {"console", "http", "js", "json", "mermaid", "python", "sh", "sql", "text", "toml", "yaml"}
PYTHON = snippets("python")
DATABASE = "postgresql://…"
ON_A_DATABASE = {one.page for one in PYTHON if DATABASE in one.code}
COMMANDS = [(one.place, words) for one in snippets("console", "sh") for words in calls(one)]
PENSTOCK = [(place, words[1:]) for place, words in COMMANDS if Path(words[0]).name == "penstock"]
MAKE = [(place, words[1:]) for place, words in COMMANDS if words[0] == "make"]


class Order(WriteIntent, kind="order.made"):
    order_id: str
    customer: str


def world(page: str) -> dict[str, Any]:
    """Return the names that a page takes for granted."""
    if page != "docs/emitting.md":
        return {}
    orders = [Order(order_id=str(uuid4()), customer="c") for _ in range(3)]
    names = {name: getattr(penstock, name) for name in penstock.__all__}
    return names | {
        "order": orders[0],
        "orders": orders,
        "key": "k",
        "tenant": "t",
        "StockAdjusted": StockAdjusted,
    }


def dispose_engines(names: dict[str, Any]) -> None:
    """Close the connections that a page has left open."""
    for value in names.values():
        if isinstance(value, Engine):
            value.dispose()
        elif isinstance(value, ManagedEngine):
            value.close()


def run(snippet: Snippet, names: dict[str, Any], code: str) -> None:
    """Run a block in its page's names. Like a notebook's, it may wait at the top level."""
    compiled = compile(code, snippet.place, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    waiting: Coroutine[Any, Any, None] | None = eval(compiled, names)  # noqa: S307
    if iscoroutine(waiting):
        asyncio.run(waiting)


def run_page(page: str, monkeypatch: pytest.MonkeyPatch, url: str) -> dict[str, Any]:
    """Run the blocks of a page in their order, in one namespace, which is returned; a file is a module."""
    producer = Producer(Settings(receipt_key="key", source="/shop"), MemoryQueue())
    monkeypatch.setattr(emitter, "environment_producer", lambda: producer)
    names = {"__name__": "page"} | world(page)
    for snippet in PYTHON:
        if snippet.page != page or snippet.not_run:
            continue
        space = names
        if snippet.file:
            module = ModuleType(snippet.file.removesuffix(".py").replace("/", "."))
            monkeypatch.setitem(sys.modules, module.__name__, module)
            space = vars(module)
        run(snippet, space, snippet.code.replace(DATABASE, url))
    return names


@pytest.mark.parametrize("page", sorted({one.page for one in PYTHON} - ON_A_DATABASE))
def test_the_python_of_a_page_runs(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each block runs after those before it."""
    run_page(page, monkeypatch, "")


@pytest.mark.parametrize("page", sorted(ON_A_DATABASE))
def test_the_python_with_a_database_runs(page: str, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each block runs after those before it, on a database in the place of the page's."""
    dispose_engines(run_page(page, monkeypatch, database_url))


def test_few_blocks_never_run() -> None:
    """Nearly all Python of the pages runs; what does not gives its reason."""
    assert len(PYTHON) >= 35
    assert len([one for one in PYTHON if one.not_run]) <= 3


def test_every_call_of_the_program_parses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each call of `penstock` in a block is one that the program takes, with its options and arguments."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "db").mkdir()  # a folder of migrations that a page names; files are made below
    wrong = {}
    for place, words in PENSTOCK:
        for word in words:
            if re.fullmatch(r"[\w-]+(\.[a-z]+)+", word):
                Path(word).touch()
        try:
            parse_call(words)
        except Exception as error:  # noqa: BLE001 (whatever the parser raises)
            wrong[place] = (words, error)
    assert wrong == {}
    assert len(PENSTOCK) > 80


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("dlq replya", "replya"),
        ("dlq replay --nope", "No such option"),
        ("status --every soon", "number"),
        ("status --every", "requires"),
        ("dlq show", "Missing"),
    ],
)
def test_a_wrong_call_does_not(words: str, problem: str) -> None:
    """An unknown command or option, a wrong value and a missing argument are found."""
    with pytest.raises(Exception, match=problem):
        parse_call(words.split())


def test_every_make_target_exists() -> None:
    """Each `make TARGET` in a block is a target."""
    makefile = (ROOT / "Makefile").read_text()
    assert len(MAKE) >= 5
    assert [place for place, words in MAKE if f"\n{words[0]}:" not in makefile] == []


@pytest.mark.parametrize("snippet", snippets("sh"), ids=lambda one: one.place)
def test_a_script_parses(snippet: Snippet) -> None:
    """Each shell script is one to bash."""
    subprocess.run(["bash", "-n"], input=snippet.code, text=True, check=True)


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's tags, whose values do not matter here."""


_Loader.add_multi_constructor("!", lambda _loader, _suffix, _node: None)


@pytest.mark.parametrize("snippet", snippets("json", "toml", "yaml"), ids=lambda one: one.place)
def test_data_parses(snippet: Snippet) -> None:
    """Each block of JSON, TOML and YAML is that."""
    if snippet.language == "yaml":
        yaml.load(snippet.code, _Loader)  # noqa: S506 (safe: it makes nothing but plain values)
    else:
        {"json": json.loads, "toml": tomllib.loads}[snippet.language](snippet.code)


def test_every_block_has_a_language() -> None:
    """No block is left out of these tests for want of a language, or because of a misspelt one."""
    assert {one.place: one.language for one in snippets() if one.language not in LANGUAGES} == {}
