"""Finding the stage, its stack and its credentials."""

import os
from pathlib import Path

import pytest

from tests.support.cli_stack import Run, Stack


def test_a_stage_must_be_known(folder: Path, run: Run) -> None:
    """No --stage and no recorded local stack is wrong usage, and the error has the way out."""
    ended = run("dlq", "list")
    assert ended.code == 2
    assert "--stage" in ended.err
    ended = run("dlq", "list", "--stage", "local")
    assert ended.code == 1
    assert "penstock local up" in ended.err


def test_a_service_must_be_known(folder: Path, run: Run) -> None:
    """A folder without serverless.yml needs --service."""
    ended = run("dlq", "list", "--stage", "dev", "--region", "eu-west-1")
    assert ended.code == 2
    assert "--service" in ended.err


def test_a_missing_stack_is_named(shop: Stack, run: Run) -> None:
    """The error has the name of the missing stack and the options to check."""
    ended = run("dlq", "list", "--service", "other")
    assert ended.code == 1
    assert "there is no stack other-local in us-east-1: check --stage" in ended.err


def test_missing_credentials_exit_with_4(folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Missing credentials or an unknown profile exit with 4, and a missing region is wrong usage."""
    words = ("dlq", "list", "--stage", "dev", "--service", "shop")
    assert run(*words, "--profile", "nobody").code == 4
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    assert run(*words).code == 2
    assert run(*words, "--region", "eu-west-1").code == 4
