"""How a setting names a database: a URL, a secret, or a URL with a secret or IAM for its credentials.

- `postgresql://USER:PASSWORD@HOST:PORT/DATABASE`, with libpq's parameters after `?`.
- The same with several hosts, `HOST:PORT,HOST:PORT`, as libpq accepts them (PostgreSQL documentation, "Specifying
  Multiple Hosts"), or in SQLAlchemy's form, `/DATABASE?host=HOST:PORT&host=HOST:PORT`.
- The ARN of a secret with such a URL, or with the JSON that RDS and Secrets Manager keep credentials in.
- `postgresql://HOST:PORT/DATABASE?credentials=ARN`: user and password come from that secret. RDS's own secret for
  the master user has no host.
- `postgresql://USER@HOST:PORT/DATABASE?credentials=iam`: a token of IAM is the password.
"""

import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from penstock.settings import SettingsError, resolve_secret

POSTGRES_PORT: Final = 5432
IAM: Final = "iam"
_CREDENTIALS: Final = "credentials"
_ARN: Final = "arn:"
_DRIVER: Final = "postgresql+psycopg"
_HOST: Final = r"(?:\[[0-9A-Fa-f:.]+\]|[\w.-]+)(?::\d+)?"
_SEVERAL_HOSTS: Final = re.compile(rf"(\w[\w+]*://(?:[^/?]*@)?)({_HOST}(?:,{_HOST})+)(?=[/?]|$)(.*)", re.DOTALL)
_ENCRYPTED: Final = ("require", "verify-ca", "verify-full")
_VERIFIED: Final = ("verify-ca", "verify-full")

_INVALID_URL: Final = (
    "the database URL is not of the form postgresql://USER@HOST:PORT/DATABASE, with :PASSWORD after USER"
)


@dataclass(frozen=True, slots=True)
class Address:
    """Where a database is, and where its credentials come from.

    Attributes:
        url: the URL, with the password if there is one.
        secret: the ARN of the secret that the password comes from; None if there is none.
        iam: whether a token of IAM is the password.
    """

    url: URL = field(repr=False)
    secret: str | None = None
    iam: bool = False


def find_address(setting: str, read: Callable[[str], str] = resolve_secret) -> Address:
    """Return the address that a setting gives; see the module's docstring for the forms.

    Args:
        setting: the setting's value.
        read: returns the text of the secret with an ARN.

    Raises:
        penstock.settings.SettingsError: the setting or its secret is not valid. The error shows neither.
        penstock.settings.SecretUnavailable: the secret cannot be read.
    """
    if setting.startswith(_ARN):
        return secret_address(setting, read(setting))
    address = _split(driver_url(setting))
    if address.secret is not None:
        address = _with_secret(address, address.secret, read(address.secret))
    return _checked(address)


def secret_address(name: str, text: str) -> Address:
    """Return the address that a secret gives by itself.

    Args:
        name: the secret's name or ARN.
        text: its text, a URL or JSON of RDS's form.

    Raises:
        penstock.settings.SettingsError: the text is not valid. The error does not show it.
    """
    return _checked(_with_secret(Address(URL.create(_DRIVER)), name, text))


def address_setting(address: Address) -> str:
    """Return an address as a setting, with what its secret gave. It contains the password."""
    url = address.url.update_query_dict({_CREDENTIALS: IAM}) if address.iam else address.url
    return url.render_as_string(hide_password=False)


def driver_url(url: str) -> URL:
    """Parse a Postgres URL, and set psycopg 3 as SQLAlchemy's driver.

    Raises:
        penstock.settings.SettingsError: the URL is not a Postgres URL. The error does not show it, since it may
            contain a password.
    """
    several = _SEVERAL_HOSTS.fullmatch(url)
    try:
        parsed = make_url(several[1] + several[3] if several else url)
    except (ArgumentError, ValueError):
        parsed = None
    if parsed is None or parsed.get_backend_name() not in {"postgresql", "postgres"}:
        raise SettingsError(_INVALID_URL) from None
    if several:
        parsed = parsed.update_query_dict(_hosts(several[2]))
    return parsed.set(drivername=_DRIVER)


def describe(url: URL) -> str:
    """Return the name and the place of a database, without user and password."""
    several = _query(url, "host")
    ports = _query(url, "port")
    place = several + f" (ports {ports})" * bool(ports) if several else f"{url.host}:{url.port or POSTGRES_PORT}"
    return f"{url.database} at {place}"


def _hosts(text: str) -> dict[str, str]:
    """Return libpq's list `h1:1,h2:2` as SQLAlchemy's parameters `host=h1,h2` and `port=1,2`."""
    found = [re.fullmatch(r"\[?([^\[\]]*?)\]?(?::(\d+))?", one) for one in text.split(",")]
    pairs = [(one[1], one[2] or str(POSTGRES_PORT)) for one in found if one]
    hosts, ports = (",".join(column) for column in zip(*pairs, strict=True))
    return {"host": hosts, "port": ports}


def _split(url: URL) -> Address:
    """Take the parameter `credentials` out of a URL."""
    given = _query(url, _CREDENTIALS)
    plain = url.difference_update_query([_CREDENTIALS])
    if not given:
        return Address(plain)
    if given != IAM and not given.startswith(_ARN):
        raise SettingsError(
            f"the database URL has credentials=, which must be {IAM!r} or the ARN of a secret in Secrets Manager"
        )
    return Address(plain, iam=True) if given == IAM else Address(plain, secret=given)


def _with_secret(address: Address, arn: str, text: str) -> Address:
    """Add a secret to an address: its user and password, and its place if the address has none."""
    found = _split(_rds_url(arn, text) if text.lstrip().startswith("{") else driver_url(text))
    if found.secret is not None:
        raise SettingsError(f"the secret {arn} names another secret: put user and password into it")
    given, kept = address.url, found.url
    place = given if _has_host(given) else kept
    url = URL.create(
        _DRIVER,
        username=kept.username or given.username,
        password=kept.password,
        host=place.host,
        port=place.port,
        database=given.database or kept.database,
        query=(kept.query if place is kept else {}) | given.query,
    )
    if not (_has_host(url) and url.database):
        lacks = "database" if _has_host(url) else "host"
        raise SettingsError(
            f"neither the database URL nor the secret {arn} names a {lacks}: "
            f"use postgresql://HOST:PORT/DATABASE?{_CREDENTIALS}={arn}"
        )
    return Address(url, arn, iam=address.iam or found.iam)


def _rds_url(arn: str, text: str) -> URL:
    """Return the URL for the JSON of a secret of RDS.

    The keys are those of the AWS Secrets Manager User Guide, "JSON structure of AWS Secrets Manager secrets".
    """
    try:
        keys: dict[str, Any] = json.loads(text)
        port = int(keys["port"]) if keys.get("port") else None
    except (ValueError, TypeError):
        raise SettingsError(f"the secret {arn} is neither a postgresql:// URL nor JSON of RDS's form") from None
    missing = [key for key in ("username", "password") if not isinstance(keys.get(key), str)]
    if missing:
        raise SettingsError(f"the secret {arn} has no text {' and no '.join(map(repr, missing))}")
    if "postgres" not in str(keys.get("engine", "postgres")):
        raise SettingsError(f"the secret {arn} is of another engine: its 'engine' must be 'postgres'")
    return URL.create(
        _DRIVER, keys["username"], keys["password"], keys.get("host") or None, port, keys.get("dbname") or None
    )


def _checked(address: Address) -> Address:
    _check_tls(address.url)
    if address.iam:
        _check_iam(address.url)
    return address


def _check_tls(url: URL) -> None:
    """Check that the file of the certification authorities exists.

    libpq reports a missing one too, but as a failed connection, which looks like an outage of the database.
    """
    if _query(url, "sslmode") not in _VERIFIED and not _query(url, "sslrootcert"):
        return
    default = os.environ.get("PGSSLROOTCERT") or str(Path("~/.postgresql/root.crt").expanduser())
    file = _query(url, "sslrootcert") or default
    if file != "system" and not Path(file).is_file():
        raise SettingsError(
            f"the database URL needs the CA certificates in {file}, and there is no such file in {Path.cwd()}: "
            "put the file into the artifact, and its path into sslrootcert= (docs/databases.md)"
        )


def _check_iam(url: URL) -> None:
    """Check that a URL has what a token is made for. A token is a password, so it must not travel in the clear."""
    if not (url.username and url.host):
        raise SettingsError(
            f"{_CREDENTIALS}={IAM} needs a user and one host in the database URL: each token is for one of them"
        )
    if _query(url, "sslmode") not in _ENCRYPTED and _query(url, "sslrootcert") != "system":
        raise SettingsError(
            f"{_CREDENTIALS}={IAM} needs TLS: add sslmode=verify-full and sslrootcert= to the database URL"
        )


def _has_host(url: URL) -> bool:
    return bool(url.host or _query(url, "host"))


def _query(url: URL, name: str) -> str:
    """Return a parameter of a URL; one that is given several times is joined by commas."""
    value = url.query.get(name, "")
    return value if isinstance(value, str) else ",".join(value)
