"""`penstock infra`."""

import json
import shutil
from pathlib import Path

import yaml

from penstock.infra.include_file import NAME, include_file
from tests.support.cli_stack import Run
from tests.support.project import ROOT


def test_write_and_check(folder: Path, run: Run) -> None:
    """The file is written once, and an edited or missing one is a finding until it is written again."""
    shutil.copy(ROOT / "serverless.yml", folder)
    missing = run("infra", "--check")
    assert (missing.code, missing.out) == (1, "infra/penstock.yml is missing: run `penstock infra`\n")
    assert run("infra").err == "infra/penstock.yml: written\n"
    assert run("infra").err == "infra/penstock.yml: current\n"
    assert (run("infra", "--check").code, run("infra", "--check").out) == (0, "")
    (folder / NAME).write_text(include_file().replace("1209600", "60"))
    assert "was edited" in run("infra", "--check").out
    run("infra")
    assert run("infra", "--check").code == 0


def test_check_finds_numbers(folder: Path, run: Run) -> None:
    """The numbers of serverless.yml are checked, and a variable among them is named as unchecked."""
    text = (ROOT / "serverless.yml").read_text()
    changed = text.replace("concurrency: 5", "concurrency: 7", 1).replace(
        "timeout: 30", "timeout: ${param:seconds}"
    )
    (folder / "serverless.yml").write_text(changed)
    run("infra")
    done = run("infra", "--check")
    assert done.code == 1
    assert "set `budget: 16`" in done.out
    assert "only osls resolves custom.penstock.drain.timeout" in done.err
    (folder / "package.json").write_text(run("infra", "export", "--json").out)
    assert run("infra", "--check", "--template", "package.json").code == 0


def test_check_finds_another_drain(folder: Path, run: Run) -> None:
    """A drain or a folder of migrations that the command takes and the functions do not is a finding."""
    shutil.copy(ROOT / "serverless.yml", folder)
    run("infra")
    (folder / "pyproject.toml").write_text('[tool.penstock]\ndrain = "app.writes:drain"\nmigrations = "db"\n')
    found = run("infra", "--check")
    assert found.code == 1
    assert "drain.target is consumer.writes:drain, and the `penstock` command takes app.writes:drain" in found.out
    assert "migrations is infra/migrations, and the `penstock` command takes db" in found.out
    text = (folder / "serverless.yml").read_text()
    same = "    migrations: db\n    drain:\n      target: app.writes:drain\n"
    (folder / "serverless.yml").write_text(text.replace("    drain:\n", same))
    assert (run("infra", "--check").code, run("infra", "--check").out) == (0, "")


def test_wrong_usage(folder: Path, run: Run) -> None:
    """Wrong usage is refused with code 2, and says what is right."""
    assert (run("infra", "--check").code, "there is no serverless.yml" in run("infra", "--check").err) == (2, True)
    (folder / "serverless.yml").write_text("service: x\n")
    assert run("infra", "--template", "serverless.yml").code == 2
    assert "no CloudFormation template" in run("infra", "--check", "--template", "serverless.yml").err
    assert "run `osls package`" in run("infra", "--check", "--template", "none.json").err
    assert "PARAMETER=VALUE" in run("infra", "export", "--set", "Budget").err
    assert "the part endpoints needs the part vpc" in run("infra", "export", "--part", "endpoints").err


def test_export(folder: Path, run: Run) -> None:
    """YAML and JSON are the same template, with the given defaults; numbers that do not fit are refused."""
    options = ("--artifacts", "zips", "--set", "DrainConcurrency=10", "--set", "Budget=19", "--set", "Stage=prod")
    made = json.loads(run("infra", "export", *options, "--json").out)
    assert yaml.safe_load(run("infra", "export", *options).out) == made
    assert made["Parameters"]["DrainConcurrency"]["Default"] == 10
    assert made["Parameters"]["Stage"]["Default"] == "prod"
    assert made["Resources"]["DrainLambdaFunction"]["Properties"]["Code"] == "zips/consumer.zip"
    refused = run("infra", "export", "--set", "DrainConcurrency=10")
    assert (refused.code, refused.out) == (1, "")
    assert "set `budget: 19`" in refused.err
