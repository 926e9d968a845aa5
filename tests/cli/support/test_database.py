"""Finding the database of a command."""

import json
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from penstock.cli.support.project import Project
from penstock.local import state
from tests.support.cli_stack import Run, Stack, record
from tests.support.project import SESSION


def test_the_database_is_found(
    folder: Path, run: Run, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The URL comes from the recorded local stack, and the environment variable overrides it."""
    record(folder, database_url=empty_database)
    assert run("db", "upgrade").out
    assert "already up to date" in run("db", "upgrade", "--stage", "local").err
    monkeypatch.setenv("PENSTOCK_DATABASE_URL", "postgresql://u:hunter2@127.0.0.1:1/x")
    ended = run("db", "upgrade", "--stage", "local")
    assert ended.code == 1
    assert "127.0.0.1:1" in ended.err


def test_the_database_of_a_stage_is_in_its_secret(shop: Stack, run: Run, empty_database: str) -> None:
    """The URL of a deployed stage comes from Secrets Manager, by name or ARN, and a missing secret is named."""
    local = state.load(shop.folder)
    assert local
    service = Project.find(shop.folder).name(None)
    with closing(SESSION.client("secretsmanager", endpoint_url=local.endpoint_url)) as client:
        way = ("--region", "us-east-1", "--endpoint-url", local.endpoint_url)
        words = ("db", "upgrade", "--stage", "dev", *way)
        missing = run(*words)
        assert missing.code == 1
        assert f"there is no secret penstock/{service}/dev/database-url" in missing.err
        arn = client.create_secret(Name=f"penstock/{service}/dev/database-url", SecretString=empty_database)["ARN"]
        assert run(*words).out
        assert "already up to date" in run(*words, "--database-url", arn).err


@pytest.mark.parametrize(
    "url",
    ["postgresql://u:hunter2@127.0.0.1:1/x", "mysql://u:hunter2@h/x", "u:hunter2", "postgresql://u:hunter2@:x/"],
)
@pytest.mark.parametrize("debug", [(), ("--debug",)])
def test_a_password_is_never_printed(folder: Path, run: Run, url: str, debug: tuple[str, ...]) -> None:
    """No error about a database URL has its password."""
    ended = run("db", "upgrade", "--database-url", url, *debug)
    assert ended.code in {1, 2}
    assert "hunter2" not in ended.out + ended.err


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("postgresql://u:hunter2@h:abc/x", "postgresql://USER@HOST:PORT/DATABASE, with :PASSWORD after USER"),
        ("mysql://u:hunter2@h/x", "postgresql://USER@HOST:PORT/DATABASE, with :PASSWORD after USER"),
        ("postgresql://u:p@hunter2@127.0.0.1:1/x", "write one in a password as %40"),
        ("postgresql://u:p@hun/ter2@127.0.0.1:1/x", "write one in a password as %40"),
    ],
)
def test_an_invalid_database_url_is_wrong_usage(folder: Path, run: Run, url: str, hint: str) -> None:
    """A bad port, another database or an extra @ exits with 2 and a hint, and no part of the URL is printed."""
    ended = run("db", "upgrade", "--database-url", url)
    assert (ended.code, ended.out) == (2, "")
    assert hint in ended.err
    assert "ter2" not in ended.err


def test_a_secret_of_rds(shop: Stack, run: Run, empty_database: str) -> None:
    """A stage's secret may be RDS's JSON, and a URL may take user and password from one by its ARN."""
    local = state.load(shop.folder)
    assert local
    service = Project.find(shop.folder).name(None)
    server = urlsplit(empty_database)
    name = server.path.removeprefix("/")
    person = {"username": server.username, "password": server.password}
    whole = {"engine": "postgres", "host": server.hostname, "port": server.port, "dbname": name} | person
    words = ("db", "upgrade", "--stage", "dev", "--region", "us-east-1", "--endpoint-url", local.endpoint_url)
    with closing(SESSION.client("secretsmanager", endpoint_url=local.endpoint_url)) as client:
        client.create_secret(Name=f"penstock/{service}/dev/database-url", SecretString=json.dumps(whole))
        made = client.create_secret(Name=f"rds-{service}", SecretString=json.dumps(person))
    assert run(*words).out
    url = f"postgresql://{server.hostname}:{server.port}/{name}?credentials={made['ARN']}"
    again = run(*words, "--database-url", url)
    assert "already up to date" in again.err
    assert str(server.password) not in again.err
    nowhere = run(*words, "--database-url", made["ARN"])
    assert nowhere.code == 2
    assert "use postgresql://HOST:PORT/DATABASE?credentials=" in nowhere.err
