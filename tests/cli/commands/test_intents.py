"""The commands `penstock intents list`, `schema` and `diff`."""

import io
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from uuid import uuid4

import pytest

from tests.support.cli_stack import Run
from tests.support.project import ROOT


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], str]]:
    """Give a function that writes a module into a service's folder and returns its name; commands run there."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "serverless.yml").write_text("service: shop\n")
    prefix = f"service_{uuid4().hex}"

    def write(name: str, code: str) -> str:
        (tmp_path / f"{prefix}_{name}.py").write_text(f"from penstock import WriteIntent\nprint('hello')\n{code}")
        return f"{prefix}_{name}"

    yield write
    for module in [module for module in sys.modules if module.startswith(prefix)]:
        del sys.modules[module]


FIRST = "class Seen(WriteIntent, kind='part.seen'):\n    called: str\n"


SECOND = """
class Noted(WriteIntent, kind='part.noted', version=2, aliases='part.seen'):
    name: str

@Noted.upgrader(1)
def _(data):
    return {'name': data['called']}

class More(WriteIntent, kind='more'):
    x: int
"""


def test_the_kinds_are_listed(service: Callable[[str, str], str], run: Run) -> None:
    """One line or one JSON object per kind; what the service prints during its import goes to stderr."""
    module = service("second", SECOND)
    ended = run("intents", "list", "--module", module)
    lines = [line.split("\t") for line in ended.out.splitlines()]
    assert lines == [
        ["kind", "version", "oldest", "aliases", "class_name", "module"],
        ["more", "1", "1", "-", "More", module],
        ["part.noted", "2", "1", "part.seen", "Noted", module],
    ]
    assert (ended.code, "hello" in ended.err) == (0, True)
    row = run("intents", "list", "--module", module, "--json").rows[1]
    assert (row["kind"], row["version"], row["oldest"], row["aliases"]) == ("part.noted", 2, 1, ["part.seen"])


def test_the_service_is_found_without_an_option(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without --module the command reads shared.intents, from any folder inside the service."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(ROOT / "consumer")
    assert {row["kind"] for row in run("intents", "list", "--json").rows} >= {"stock.adjusted", "page.viewed"}


def test_a_schema_is_printed(service: Callable[[str, str], str], run: Run) -> None:
    """The JSON Schema of the data, or of the whole envelope; the command accepts any name of the kind."""
    module = service("second", SECOND)
    data = json.loads(run("intents", "schema", "part.noted", "--module", module).out)
    assert data["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert (data["required"], data["additionalProperties"]) == (["name"], False)
    whole = json.loads(run("intents", "schema", "part.seen", "--envelope", "--module", module).out)
    assert (whole["properties"]["type"]["const"], whole["properties"]["dataversion"]["const"]) == ("part.noted", 2)
    assert set(whole["required"]) == {"specversion", "id", "source", "type", "time", "dataversion", "data"}


def test_a_change_sets_the_exit_code(
    service: Callable[[str, str], str], run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compared to a file, stdin or a module: 0 if all messages are accepted, else 10; and a deployment order."""
    first, second = service("first", FIRST), service("second", SECOND)
    saved = run("intents", "schema", "--all", "--module", first).out
    (tmp_path / "intents.json").write_text(saved)
    monkeypatch.setattr(sys, "stdin", io.StringIO(saved))
    for before in ("intents.json", "-", first):
        ended = run("intents", "diff", before, "--module", second)
        lines = [line.split("\t")[:3] for line in ended.out.splitlines()]
        assert lines == [
            ["verdict", "kind", "messages"],
            ["compatible", "part.seen", "old"],
            ["upgraded", "part.seen", "old"],
            ["consumer-first", "more", "new"],
            ["consumer-first", "part.noted", "new"],
        ]
        assert (ended.code, "Deploy the consumer before the producers." in ended.err) == (0, True)
    back = run("intents", "diff", second, "--module", first, "--json")
    assert back.code == 10
    assert {(row["verdict"], row["kind"]) for row in back.rows if row["messages"] == "old"} == {
        ("incompatible", "more"),
        ("incompatible", "part.noted"),
        ("incompatible", "part.seen"),
    }
    same = run("intents", "diff", "intents.json", "--module", first)
    assert (same.code, same.out, "nothing has changed" in same.err) == (0, "", True)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("list", "--module", "nowhere.intents"), 2, "there is no module nowhere.intents"),
        (("list", "--module", "{sick}"), 1, "cannot be imported: ZeroDivisionError"),
        (("list", "--module", "{empty}"), 2, "has no write intents"),
        (("list", "--module", "{holed}"), 1, "there is none from version 2 to 3"),
        (("schema", "--module", "{good}"), 2, "give either a KIND"),
        (("schema", "part.seen", "--all", "--module", "{good}"), 2, "give either a KIND"),
        (("schema", "no.such", "--module", "{good}"), 2, "has no kind 'no.such'"),
        (("diff", "nowhere.json", "--module", "{good}"), 2, "there is no file nowhere.json"),
        (
            ("diff", "serverless.yml", "--module", "{good}"),
            2,
            "is not what `penstock intents schema --all` prints",
        ),
        (("diff", "nowhere", "--module", "{good}"), 2, "there is no module nowhere"),
    ],
)
def test_an_invalid_argument_is_reported(
    service: Callable[[str, str], str], run: Run, words: Sequence[str], code: int, message: str
) -> None:
    """A missing module or file is a usage error; a broken module ends with 1; stdout stays empty."""
    modules = {
        "good": service("good", FIRST),
        "sick": service("sick", "1 / 0"),
        "empty": service("empty", ""),
        "holed": service("holed", "class H(WriteIntent, kind='h', version=3):\n    pass\nH.upgrader(1)(dict)\n"),
    }
    ended = run("intents", *(word.format(**modules) for word in words))
    assert (ended.code, ended.out) == (code, "")
    assert message in ended.err
