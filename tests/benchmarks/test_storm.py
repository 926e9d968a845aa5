"""The benchmark of the storm: small storms run, and the account finds what is wrong."""

import json
import re
import resource
import shutil
from pathlib import Path
from uuid import UUID
from xml.etree import ElementTree as ET

import psycopg
import pytest

from benchmarks.storm import __main__ as storm
from benchmarks.storm.account import Account, take_account
from benchmarks.storm.contenders import CONTENDERS
from benchmarks.storm.drains import CONCURRENCY
from benchmarks.storm.load import reason
from benchmarks.storm.model import Answer, Storm
from benchmarks.storm.pgbouncer import POOL_SIZE
from benchmarks.storm.plot import FIGURES, bars, curves, plot
from benchmarks.storm.report import RESTART, STEADY, StormReport
from benchmarks.storm.run import run_storm
from benchmarks.storm.server import GRANTED, MAX_CONNECTIONS
from tests.support.project import ROOT
from tests.support.servers import needs

INSTANCES = 40
SMALL = Storm(INSTANCES, seconds=2, pause=0.4, restart=True)


def check(account: Account) -> None:
    """Check what holds for every contender: an answer of success is true, and Postgres was restarted."""
    assert account.requests >= INSTANCES
    assert (account.lost, account.twice) == (0, 0)
    assert account.outage
    assert SMALL.seconds / 2 == account.outage[0] < account.outage[1]


def test_kept_connections() -> None:
    """Of 40 instances that keep a connection, Postgres refuses those for which none is left."""
    account = run_storm("kept", SMALL)
    check(account)
    assert account.failed >= INSTANCES - GRANTED
    assert any("slots are reserved" in text for text in account.reasons)
    assert GRANTED - 1 <= account.most < MAX_CONNECTIONS


def test_pgbouncer() -> None:
    """PgBouncer serves 40 instances with its own few connections; it fails them only while Postgres is down."""
    needs("pgbouncer", "pgbouncer")
    account = run_storm("pgbouncer", SMALL)
    check(account)
    assert 0 < account.most <= POOL_SIZE
    assert not any("slots are reserved" in text for text in account.reasons)


def test_managed_engine() -> None:
    """Instances with a managed engine share the places: none keeps others out until the end."""
    account = run_storm("managed", SMALL)
    check(account)
    assert 0 < account.most < MAX_CONNECTIONS


def test_penstock() -> None:
    """Penstock keeps its promises, with a restart too: nothing fails, nothing is lost, and the budget holds."""
    account = run_storm("penstock", SMALL)
    check(account)
    figures = StormReport(SMALL, {}, {RESTART: {"penstock": account}}).figures
    assert [figure.value for figure in figures[:-1]] == [0, 0, 0]
    assert 0 < figures[-1].value <= CONCURRENCY
    assert all(figure.reached for figure in figures)


def test_one_command_measures_everything(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With a tiny storm, the JSON and the page have the account of both runs, and the table is printed."""
    path, page = tmp_path / "deep" / "storm.json", tmp_path / "figures.md"
    options = ["--instances", "10", "--seconds", "1", "--only", "connect"]
    storm.main([*options, "--json", str(path), "--markdown", str(page)])
    report = json.loads(path.read_text())
    assert {run: [*accounts] for run, accounts in report["runs"].items()} == {
        STEADY: ["connect"],
        RESTART: ["connect"],
    }
    for run, accounts in report["runs"].items():
        (bar,), (curve,) = bars(page.read_text(), run), curves(page.read_text(), run)
        assert bar.name == curve.name == CONTENDERS["connect"].title
        assert bar.failed == accounts["connect"]["failed"] / accounts["connect"]["requests"]
        assert curve.connections == accounts["connect"]["connections"]
        assert (accounts["connect"]["lost"], accounts["connect"]["twice"]) == (0, 0)
    assert RESTART in capsys.readouterr().out


def test_a_limit_of_open_files_is_raised_or_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A storm that needs more files than this process may ever open ends with the number, before it begins."""
    monkeypatch.setattr(resource, "getrlimit", lambda _kind: (256, 1024))
    with pytest.raises(SystemExit, match=r"1,500 open files are needed, and the limit is 1,024"):
        storm.main(["--instances", "1000"])


@pytest.mark.parametrize(
    "options", [["--instances", "0"], ["--seconds", "-1"], ["--seconds", "x"], ["--only", "x"]]
)
def test_a_bad_option_is_refused(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A number below 1 and an unknown contender are errors that name the option."""
    with pytest.raises(SystemExit):
        storm.main(options)
    assert f"argument {options[0]}" in capsys.readouterr().err


def test_a_missing_pgbouncer_is_noticed_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without PgBouncer the command ends before the first storm, and says how to go on."""
    monkeypatch.setattr(shutil, "which", lambda _program: None)
    with pytest.raises(SystemExit, match=r"pgbouncer is not installed: .*--only"):
        storm.main([])


ONE, TWO, THREE, FOUR = (UUID(int=number) for number in range(4))
ANSWERS = [Answer(ONE, 0, 1, None), Answer(TWO, 1, 2, None), Answer(THREE, 2, 1, "down"), Answer(FOUR, 3, 3, None)]


def test_the_account_finds_what_is_wrong() -> None:
    """A row that is missing, there twice, or there despite a failure is counted; times are those of the rows."""
    rows = [(ONE, 0.5), (ONE, 0.6), (TWO, 7.0), (THREE, 2.5)]
    samples = [(0.1, 3), (1.9, 5), (4.2, 4)]
    account = take_account(ANSWERS, rows, samples, seconds=5, budget=5, outage=None)
    assert (account.lost, account.twice, account.despite) == (1, 1, 1)
    assert (account.requests, account.failed, account.reasons) == (4, 1, {"down": 1})
    assert (account.p50, account.p99, account.row_p99) == (2, 3, 4)
    assert (account.most, account.samples, account.connections) == (5, 3, [5, None, 4])
    assert (account.last_answer, account.last_row) == (6, 7)


def test_a_row_that_nobody_asked_for_ends_the_measurement() -> None:
    """If the table has another row, the figures say nothing."""
    with pytest.raises(AssertionError, match="nobody asked for"):
        take_account(ANSWERS[1:], [(ONE, 0.5)], [], seconds=4, budget=None, outage=None)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (psycopg.OperationalError('connection to server at "::1", port 1 failed: FATAL:  sorry\n'), "sorry"),
        (psycopg.OperationalError("server closed the connection\n\tbefore"), "server closed the connection"),
        (psycopg.OperationalError(""), "OperationalError"),
        (ValueError("a value of the request"), "ValueError"),
    ],
)
def test_a_reason_is_one_line_of_the_database_or_a_class(error: Exception, text: str) -> None:
    """The reason of a failure has what the database says, and no text of any other error."""
    assert reason(error) == text


def test_the_committed_plot_is_that_of_the_figures() -> None:
    """docs/storm.svg is what `make plot` draws, has each contender, loads nothing, and is in the README."""
    drawn = plot(FIGURES.read_text())
    assert (ROOT / "docs" / "storm.svg").read_text() == drawn, "run `make plot`"
    texts = {element.text for element in ET.fromstring(drawn).iter() if element.tag.endswith("text")}  # noqa: S314
    assert texts.issuperset(one.title for one in CONTENDERS.values())
    assert re.findall("(?:https?|data):[^\"' ]+", drawn) == ["http://www.w3.org/2000/svg"]
    assert "docs/storm.svg" in (ROOT / "README.md").read_text()


def test_the_plot_shows_the_table() -> None:
    """A bar is as long as its contender's share of failed requests, in each run."""
    page = FIGURES.read_text()
    widths = [float(width) for width in re.findall(r'<rect x="270" .*? width="([\d.]+)"', plot(page))]
    shares = [bar.failed for run in (STEADY, RESTART) for bar in bars(page, run)]
    assert widths == pytest.approx([max(share * 330, 1) for share in shares], abs=0.05)
    assert len(shares) == 2 * len(CONTENDERS)
