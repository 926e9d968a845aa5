"""Connections whose password changes: it is in a secret that is rotated, or it is a token of IAM."""

import logging
from functools import cached_property
from typing import Any

import psycopg
from sqlalchemy import URL, Dialect

from penstock.database.address import POSTGRES_PORT, Address, find_address
from penstock.database.connect_errors import password_was_refused
from penstock.settings import refresh_secret

_logger = logging.getLogger(__name__)


class Connector:
    """Makes the connections of an engine, each with the password of that moment."""

    def __init__(self, setting: str, address: Address) -> None:
        """Remember the address that a setting gave when the engine was made."""
        self._setting = setting
        self._first = self._address = address

    def connect(self, dialect: Dialect, _record: Any, arguments: list[Any], options: dict[str, Any]) -> Any:
        """Make one connection, with at most one more try (SQLAlchemy: DialectEvents.do_connect)."""
        try:
            return dialect.connect(*arguments, **options | self._renewed(dialect))
        except psycopg.OperationalError as error:
            if not password_was_refused(error):
                raise
            _logger.warning("authentication failed", extra={"action": "authentication_failed"})
            known, self._address = self._address, self._read_again()
            if self._address == known:
                raise
        return dialect.connect(*arguments, **options | self._renewed(dialect))

    def _read_again(self) -> Address:
        """Return the address with the secret as it is now. An IAM token is new for each connection anyway."""
        return find_address(self._setting, refresh_secret) if self._address.secret else self._address

    def _renewed(self, dialect: Dialect) -> dict[str, Any]:
        """Return what has changed since the engine was made."""
        url = self._address.url
        changed = {} if self._address == self._first else dict(dialect.create_connect_args(url)[1])
        return changed | ({"password": self._token(url)} if self._address.iam else {})

    def _token(self, url: URL) -> str:
        """Return a new token for one connection. It is signed here; no request is sent for it.

        AWS's documentation: "IAM database authentication for MariaDB, MySQL, and PostgreSQL".
        """
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415 (only here)

        try:
            return str(
                self._rds.generate_db_auth_token(
                    DBHostname=url.host, Port=url.port or POSTGRES_PORT, DBUsername=url.username
                )
            )
        except BotoCoreError as error:
            # As an error of the driver, so that it counts as a connection that could not be made.
            cause = f"no IAM token for {url.username} at {url.host}: {type(error).__name__}"
            raise psycopg.OperationalError(cause) from error

    @cached_property
    def _rds(self) -> Any:
        """The client that signs the tokens. It is costly to make, and its credentials renew themselves."""
        from penstock.aws import aws_client, fail_fast_config  # noqa: PLC0415 (only here)

        return aws_client("rds", fail_fast_config(read_timeout=2))
