"""`penstock doctor`."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from penstock.cli.commands.doctor import PACKAGED
from penstock.local import state
from tests.support.cli_stack import Run, Stack
from tests.support.doctor import own_template, properties

FINDING = ("verdict", "rule", "resource", "problem", "why", "source", "hint")


def write(folder: Path, template: Any) -> None:
    (folder / PACKAGED).parent.mkdir(exist_ok=True)
    (folder / PACKAGED).write_text(json.dumps(template))


def test_nothing_wrong(folder: Path, run: Run) -> None:
    """A packaged template that breaks no rule ends with 0; stdout has notes alone, and stderr the budget."""
    write(folder, own_template(()))
    done = run("doctor")
    assert done.code == 0, done.out
    assert {line.split("\t")[0] for line in done.out.splitlines()} == {"verdict", "note"}
    assert "14 connections at most" in done.err
    assert "28 while a deployment shifts" in done.err
    assert "not checked: the database (give --database-url" in done.out


def test_findings(folder: Path, run: Run) -> None:
    """A fault ends with 10. Its line has what and where, why, the page that says so, and the way out."""
    made = own_template(())
    properties(made, "Queue")["VisibilityTimeout"] = 180
    properties(made, "PruneLambdaFunction")["Timeout"] = 5
    write(folder, made)
    done = run("doctor")
    assert done.code == 10
    header, fault, warning = (line.split("\t") for line in done.out.splitlines()[:3])
    assert header == ["verdict", "rule", "resource", "problem", "why", "source", "hint"]
    assert fault[:3] == ["fault", "visibility", "Queue"]
    assert "VisibilityTimeout is 180 s, and has to be from 181" in fault[3]
    assert fault[5].startswith("https://docs.aws.amazon.com/")
    assert "-" not in fault
    assert warning[:3] == ["warning", "connect", "PruneLambdaFunction"]
    assert "1 fault, 1 warning, 3 notes" in done.err


def test_json(folder: Path, run: Run) -> None:
    """With --json each finding is one object with constant keys, the most severe first."""
    made = own_template(())
    properties(made, "PruneLambdaFunction")["Timeout"] = 5
    (folder / "t.json").write_text(json.dumps(made))
    done = run("doctor", "--template", "t.json", "--json")
    assert done.code == 10
    assert all(tuple(row) == FINDING for row in done.rows)
    assert [row["verdict"] for row in done.rows] == ["warning", "note", "note", "note"]


def test_wrong_usage(folder: Path, run: Run) -> None:
    """What cannot be a template ends with 2, names the file and what to do, and shows nothing of it."""
    (folder / "t.yml").write_text("Resources: {a: 'hunter2")
    for words, said in (
        ((), "is no file: run `osls package`"),
        (("--template", "none.json"), "none.json is no file"),
        (("--template", "."), "is no file"),
        (("--template", "t.yml"), "t.yml is neither JSON nor YAML in line 1"),
        (("--template", "t.yml", "--stage", "dev"), "--template does not go with --stage"),
        (("--people", "-1"), "--people"),
    ):
        done = run("doctor", *words)
        assert (done.code, done.out) == (2, ""), words
        assert said in done.err
        assert "hunter2" not in done.err


def test_it_could_not_look(folder: Path, run: Run) -> None:
    """A named database that cannot be reached ends with 1, and no password is shown."""
    write(folder, own_template(()))
    done = run("doctor", "--database-url", "postgresql://someone:hunter2@127.0.0.1:1/shop")
    assert done.code == 1
    assert "Check the database and its URL" in done.err
    assert "hunter2" not in done.out + done.err


def test_database(folder: Path, database_url: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database is held against the budget of the template, with the connections of people."""
    write(folder, own_template(()))
    done = run("doctor", "--database-url", database_url, "--json", "--people", "70")
    granted = [row for row in done.rows if row["rule"] == "granted" and row["verdict"] == "warning"]
    assert "can hold 28 and 70 for people" in granted[0]["problem"] or "70 are kept" in granted[0]["problem"]
    assert done.code == 10
    monkeypatch.setenv("PENSTOCK_DATABASE_URL", database_url)
    assert [row for row in run("doctor", "--json").rows if row["rule"] == "idle-timeouts"]


def test_people(folder: Path, run: Run) -> None:
    """The connections of people count against the limits that a template has, too."""
    made = own_template(())
    limits = {"Type": "AWS::RDS::DBParameterGroup", "Properties": {"Parameters": {"max_connections": 40}}}
    made["Resources"]["Limits"] = limits
    write(folder, made)
    assert run("doctor").code == 0
    assert "and 10 are kept for people" in run("doctor", "--people", "10").out


def test_unbounded(folder: Path, run: Run) -> None:
    """Without a bound there is no budget: the finding says which function, and no number is made up."""
    made = own_template(())
    del properties(made, "WritesLambdaFunction")["ReservedConcurrentExecutions"]
    write(folder, made)
    done = run("doctor")
    assert done.code == 10
    assert "WritesLambdaFunction" in done.out.splitlines()[1]
    assert "connections at most" not in done.err


def test_hostile_template(folder: Path, run: Run) -> None:
    """A template without end is given up with 1, and control characters do not reach the terminal."""
    doubled = "".join(f"x{n}: &x{n} {{'Fn::If': [Hidden, *x{n - 1}, *x{n - 1}]}}\n" for n in range(1, 40))
    (folder / "bomb.yml").write_text(
        f"x0: &x0 1\n{doubled}"
        "Conditions: {Hidden: !Equals [!Ref 'AWS::Region', x]}\n"
        "Resources:\n"
        "  Q: {Type: AWS::SQS::Queue}\n"
        "  F:\n"
        "    Type: AWS::Lambda::Function\n"
        "    Properties: {Timeout: *x39, Environment: {Variables: {PENSTOCK_QUEUE_URL: !Ref Q}}}\n"
    )
    done = run("doctor", "--template", "bomb.yml")
    assert (done.code, "more than 300000 steps" in done.err) == (1, True)
    made = own_template(())
    made["Resources"]["\x1b[31m"] = {"Type": "AWS::Lambda::Function", "Properties": {"Environment": {"Ref": "x"}}}
    write(folder, made)
    assert "\x1b" not in run("doctor").out


def test_stage(shop: Stack, run: Run) -> None:
    """A deployed stack is examined with its live settings and its own database; an unknown stage ends with 1."""
    done = run("doctor", "--stage", "local", "--json")
    assert done.code == 10
    rules = {row["rule"]: row for row in done.rows}
    assert "not checked: the drain" in rules["unseen"]["problem"]
    assert "idle-timeouts" in rules
    assert "the budget of the service is not known" in rules["granted"]["problem"], "no function is seen, not none"
    missing = run("doctor", "--stage", "local", "--service", "nobody")
    assert (missing.code, "there is no stack nobody-local" in missing.err) == (1, True)


def test_a_database_out_of_reach(shop: Stack, run: Run) -> None:
    """A stage's database that cannot be reached from here is a note; the stack is examined."""
    known = state.load(shop.folder)
    assert known is not None
    state.write(shop.folder / state.FOLDER, replace(known, database_url="postgresql://u:hunter2@127.0.0.1:1/none"))
    done = run("doctor", "--stage", "local")
    assert "not checked: the database (" in done.out
    assert "hunter2" not in done.out + done.err
    assert "unseen" in done.out
