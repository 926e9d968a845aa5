"""`penstock check`: a line for each kind and finding, and the exit code."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine, make_url

from penstock.consumer.schema_check.catalog import read_server
from tests.support.cli_stack import Run, record
from tests.support.project import ROOT
from tests.support.schema_check import create_tables, execute


@pytest.fixture(autouse=True)
def _durable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the test server, which is fast and unsafe, for one that is safe."""
    monkeypatch.setattr(
        "penstock.consumer.schema_check.check.read_server",
        lambda connection: replace(read_server(connection), unsafe=()),
    )


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A service in the working directory; the value is the name of its module."""
    name = f"service_{uuid4().hex}"
    (tmp_path / "serverless.yml").write_text("service: shop\n")
    inner = tmp_path / "deep"
    inner.mkdir()
    monkeypatch.chdir(inner)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / f"{name}.py").write_text(
        "from penstock.consumer import Drain\nfrom tests.support.schema_check import make_drain\n"
        "print('hello')\ndrain = make_drain()\nempty = Drain()\n"
    )
    (tmp_path / f"{name}_sick.py").write_text("import nothing_of_that_name")
    (tmp_path / f"{name}_wrong.py").write_text(
        "from penstock.consumer import Append, Drain\n"
        "from tests.support.schema_check import Placed, stock\n"
        "drain = Drain()\ndrain.write(Placed, Append(stock))\n"
    )
    yield name
    for module in [module for module in sys.modules if module.startswith(name)]:
        del sys.modules[module]


@pytest.fixture
def made(engine: Engine) -> Engine:
    """A database with all the tables."""
    create_tables(engine)
    return engine


def test_a_line_for_each_kind_and_finding(made: Engine, service: str, run: Run, database_url: str) -> None:
    """Kinds and findings go to stdout, everything else to stderr; the exit code is 0, or 1 for a fault."""
    words = ("check", f"{service}:drain", "--database-url", database_url)
    well = run(*words)
    header, *lines = [line.split("\t") for line in well.out.splitlines()]
    assert (well.code, header) == (0, ["verdict", "kind", "problem", "hint"])
    assert lines[0] == ["ok", "database", "-", "-"]
    assert ["ok", "adjusted", "-", "-"] in lines
    assert [line[:2] for line in lines if line[0] == "note"] == [["note", "mailed"]]
    assert "1 note" in well.err
    assert "hello" in well.err
    execute(made, "ALTER TABLE stock ALTER quantity TYPE smallint")
    sick = run(*words)
    (line,) = [line.split("\t") for line in sick.out.splitlines() if line.startswith("fault")]
    assert (sick.code, line[1]) == (1, "adjusted")
    assert line[2].startswith(
        "field 'delta', column 'quantity', table 'public.stock': the column is declared as INTEGER"
    )
    assert "1 fault, 1 note" in sick.err


def test_json(made: Engine, service: str, run: Run, database_url: str) -> None:
    """Each line is an object; a finding has constant keys."""
    execute(made, "ALTER TABLE stock DROP CONSTRAINT stock_pkey")
    rows = run("check", f"{service}:drain", "--database-url", database_url, "--json").rows
    assert rows[0] == {"verdict": "ok", "kind": None}
    (fault,) = [row for row in rows if row["verdict"] == "fault"]
    assert fault == {
        "verdict": "fault",
        "kind": "adjusted",
        "table": "public.stock",
        "column": None,
        "field": None,
        "problem": "'sku' has no unique index that ON CONFLICT can use",
        "hint": "CREATE UNIQUE INDEX CONCURRENTLY ON public.stock (sku)",
    }


def test_the_default_drain_and_database(
    engine: Engine, run: Run, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The defaults are `consumer.writes:drain` in the service's folder, and the stage's database."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(tmp_path)
    record(tmp_path, database_url=database_url)
    assert run("check").code == 0
    monkeypatch.chdir(ROOT / "consumer")
    monkeypatch.setenv("PENSTOCK_DATABASE_URL", database_url)
    ended = run("check", "--json")
    assert ended.code == 0
    assert {row["kind"] for row in ended.rows if row["verdict"] == "ok"} >= {None, "stock.adjusted"}


@pytest.mark.parametrize(
    ("target", "code", "message"),
    [
        ("{0}", 2, "is not of the form MODULE:ATTRIBUTE"),
        ("{0}:", 2, "is not of the form MODULE:ATTRIBUTE"),
        ("{0}_nowhere:drain", 2, "there is no module {0}_nowhere in "),
        ("{0}.deeper:drain", 2, "there is no module {0}.deeper in "),
        ("{0}:nothing", 2, "{0} has no nothing: name a penstock.consumer.Drain, as MODULE:ATTRIBUTE"),
        ("{0}:make_drain", 2, "{0} has a function named make_drain: name a penstock.consumer.Drain"),
        ("{0}:empty", 2, "{0}:empty writes nothing"),
        ("{0}_sick:drain", 1, "{0}_sick cannot be imported: ModuleNotFoundError: No module named 'nothing_of_"),
        ("{0}_wrong:drain", 1, "kind 'placed' (class Placed), table 'stock': field 'region' has no column"),
    ],
)
def test_a_drain_that_cannot_be_imported(service: str, run: Run, target: str, code: int, message: str) -> None:
    """A missing module, attribute or drain is wrong usage; a broken one exits with 1."""
    ended = run("check", target.format(service), "--database-url", "postgresql://u@127.0.0.1:1/x")
    assert (ended.code, ended.out) == (code, "")
    assert message.format(service) in ended.err


@pytest.mark.parametrize("debug", [(), ("--debug",)])
def test_an_unreachable_database_is_reported_without_its_password(
    service: str, run: Run, postgres: Any, debug: tuple[str, ...]
) -> None:
    """Without a server, or with a wrong password, it exits with 1 and names the host but no password."""
    port = make_url(postgres.url()).port
    for url in ("postgresql://u:hunter2@127.0.0.1:1/x", f"postgresql://u:hunter2@127.0.0.1:{port}/x"):
        ended = run("check", f"{service}:drain", "--database-url", url, *debug)
        assert (ended.code, ended.out) == (1, "")
        assert "127.0.0.1" in ended.err
        assert "hunter2" not in ended.err
