"""The forms in which a setting names a database."""

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from penstock.database.address import Address, address_setting, describe, find_address
from penstock.settings import SettingsError

ARN = "arn:aws:secretsmanager:eu-central-1:000000000000:secret:rds!db-1f2e-abcdef"
RDS = {
    "engine": "postgres",
    "host": "db.example.org",
    "port": 5433,
    "username": "clerk",
    "password": "p@ss/wörd:1",
    "dbname": "shop",
}
MASTER = {"username": "clerk", "password": "p@ss/wörd:1"}


def find(setting: str, secret: object = None) -> Address:
    text = secret if isinstance(secret, str) else json.dumps(secret)
    return find_address(setting, lambda arn: {ARN: text}[arn])


def arguments(address: Address) -> dict[str, Any]:
    """Return what psycopg is called with."""
    dialect: Any = PGDialect_psycopg
    return dict(dialect().create_connect_args(address.url)[1])


@pytest.mark.parametrize(
    ("setting", "secret", "expected"),
    [
        (ARN, RDS, ("db.example.org", 5433, "shop")),
        (ARN, {**RDS, "port": "5433", "engine": "aurora-postgresql"}, ("db.example.org", 5433, "shop")),
        (f"postgresql:///archive?credentials={ARN}", RDS, ("db.example.org", 5433, "archive")),
        (f"postgresql://proxy/shop?credentials={ARN}", RDS, ("proxy", None, "shop")),
        (f"postgresql://h:6432/shop?credentials={ARN}", MASTER, ("h", 6432, "shop")),
        (f"postgresql://h:6432/shop?credentials={ARN}", "postgresql://clerk:p%40ss%2Fw%C3%B6rd%3A1@x/y",
         ("h", 6432, "shop")),
    ],
)  # fmt: skip
def test_a_secret_of_rds(setting: str, secret: object, expected: tuple[str, int | None, str]) -> None:
    """User and password come from the secret; host and database from the URL, or else from the secret."""
    given = arguments(find(setting, secret))
    assert (given["user"], given["password"]) == ("clerk", "p@ss/wörd:1")
    assert (given["host"], given.get("port"), given["dbname"]) == expected
    assert "credentials" not in given


def test_parameters_of_the_url_stay(tmp_path: Path) -> None:
    """What libpq is given beside a secret is kept, and a setting made of an address gives the same address."""
    file = tmp_path / "ca.pem"
    file.touch()
    address = find(f"postgresql://?credentials={ARN}&sslmode=verify-full&sslrootcert={file}", RDS)
    assert arguments(address).items() >= {"sslmode": "verify-full", "sslrootcert": str(file)}.items()
    assert arguments(find(address_setting(address))) == arguments(address)
    iam = find("postgresql://clerk@h/shop?credentials=iam&sslmode=require")
    assert find(address_setting(iam)) == iam


@pytest.mark.parametrize(
    ("url", "hosts", "ports"),
    [
        ("postgresql://u:a,b@h1:1,h2:2/shop?target_session_attrs=read-write", "h1,h2", "1,2"),
        ("postgresql://u:a,b@h1,h2:2/shop?target_session_attrs=read-write", "h1,h2", "5432,2"),
        ("postgres://u:a,b@[::1]:1,h2/shop?target_session_attrs=read-write", "::1,h2", "1,5432"),
        ("postgresql://u:a,b@/shop?host=h1:1&host=h2:2&target_session_attrs=read-write", "h1,h2", "1,2"),
        ("postgresql+psycopg://u:a,b@/shop?host=h1,h2&port=1,2&target_session_attrs=read-write", "h1,h2", "1,2"),
    ],
)
def test_several_hosts(url: str, hosts: str, ports: str) -> None:
    """The form of libpq and both of SQLAlchemy's give psycopg the same list; a description has no password."""
    address = find(url)
    assert arguments(address) == {
        "user": "u",
        "password": "a,b",
        "dbname": "shop",
        "host": hosts,
        "port": ports,
        "target_session_attrs": "read-write",
    }
    assert "shop at " in describe(address.url)
    assert "a,b" not in describe(address.url) + repr(address)


@pytest.mark.parametrize("url", ["postgresql://u:p,w@h:1/x", "postgresql://u:p/a,b@h:1/x"])
def test_a_comma_in_a_password_is_not_a_list_of_hosts(url: str) -> None:
    """A URL with one host is parsed as SQLAlchemy parses it."""
    assert find(url).url == make_url(url).set(drivername="postgresql+psycopg")


@pytest.mark.parametrize(
    ("setting", "secret", "problem"),
    [
        (ARN, MASTER, f"names a host: use postgresql://HOST:PORT/DATABASE?credentials={ARN}"),
        (ARN, {**RDS, "dbname": ""}, "names a database: use postgresql://HOST:PORT/DATABASE?credentials="),
        (ARN, {"username": "hunter2"}, f"the secret {ARN} has no text 'password'"),
        (ARN, {"username": "u", "password": ["hunter2"]}, "has no text 'password'"),
        (ARN, {**RDS, "password": "hunter2", "engine": "mysql"}, "'engine' must be 'postgres'"),
        (ARN, {**RDS, "password": "hunter2", "port": "x"}, f"the secret {ARN} is neither"),
        (ARN, '{"password": "hunter2"', f"the secret {ARN} is neither a postgresql:// URL nor JSON"),
        (ARN, "hunter2", "postgresql://USER@HOST:PORT/DATABASE"),
        (ARN, f"postgresql://u:hunter2@h/x?credentials={ARN}", "names another secret"),
        ("postgresql://u:hunter2@h/x?credentials=vault", None, "credentials=, which must be 'iam' or the ARN"),
        ("postgresql://u@h/x?credentials=iam", None, "needs TLS: add sslmode=verify-full and sslrootcert="),
        ("postgresql://u@h/x?credentials=iam&sslmode=prefer", None, "needs TLS"),
        ("postgresql://h/x?credentials=iam&sslmode=require", None, "needs a user and one host"),
        ("postgresql://u@h,i/x?credentials=iam&sslmode=require", None, "needs a user and one host"),
        (
            "postgresql://u:hunter2@h/x?sslmode=verify-full&sslrootcert=/no/ca.pem",
            None,
            "certificates in /no/ca.pem",
        ),
        ("postgresql://u:hunter2@h/x?sslmode=require&sslrootcert=ca.pem", None, "no such file in "),
        ("postgresql://u:hunter2@h/x?sslmode=verify-ca", None, "/.postgresql/root.crt, and there is no such file"),
    ],
)
def test_an_invalid_address(
    setting: str, secret: object, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the cause and the way out, and shows neither the URL nor the secret."""
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(SettingsError) as caught:
        find(setting, secret)
    assert problem in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_where_libpq_looks_for_the_ca(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file that libpq uses by default, or that PGSSLROOTCERT names, is as good as sslrootcert."""
    url = "postgresql://u@h/x?sslmode=verify-full"
    (tmp_path / ".postgresql").mkdir()
    (tmp_path / ".postgresql" / "root.crt").touch()
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find(url).url.host == "h"
    monkeypatch.setenv("PGSSLROOTCERT", str(tmp_path / "other.crt"))
    with pytest.raises(SettingsError, match=r"other\.crt"):
        find(url)
    assert find(f"{url}&sslrootcert=system").url.host == "h"
