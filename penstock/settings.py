"""Settings: read once from the environment, frozen, passed down.

Two settings may be given as the ARN of a Secrets Manager secret in place of the value itself:
the database URLs and the receipt key. `resolve_secret` turns such an ARN into its value.
"""

import logging
import os
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field, fields
from typing import Any, Self

_logger = logging.getLogger(__name__)

_FRESH_SECONDS = 300
_STALE_SECONDS = 30
_REFRESH_SECONDS = 10


class SettingsError(Exception):
    """A setting is missing or has a value that cannot be used; the message names its variable."""


class SecretUnavailable(Exception):
    """A secret that a setting names cannot be read at the moment; the message says which and why."""


def _setting(variable: str, meaning: str, default: Any = "", *, least: int = 1) -> Any:
    return field(default=default, repr=False, metadata={"variable": variable, "meaning": meaning, "least": least})


@dataclass(frozen=True, slots=True)
class Settings:
    """What Penstock is told by its environment; every field is one `PENSTOCK_*` variable."""

    queue_url: str = _setting("PENSTOCK_QUEUE_URL", "the URL of the queue that intents are emitted to")
    dead_letter_queue_url: str = _setting(
        "PENSTOCK_DEAD_LETTER_QUEUE_URL", "the URL of the queue that dead letters are set aside on"
    )
    database_url: str = _setting(
        "PENSTOCK_DATABASE_URL", "the postgresql:// URL of the database, or the ARN of a secret holding it"
    )
    database_reader_url: str = _setting(
        "PENSTOCK_DATABASE_READER_URL", "the URL (or secret ARN) that outcomes are read from"
    )
    pool_size: int = _setting("PENSTOCK_POOL_SIZE", "how many connections one function instance may hold", 1)
    receipt_key: str = _setting(
        "PENSTOCK_RECEIPT_KEY", "the key that signs receipts, or the ARN of a secret holding it"
    )
    source: str = _setting("PENSTOCK_SOURCE", "the name of the emitting service, a URI reference such as /shop")
    event_source_mapping: str = _setting(
        "PENSTOCK_EVENT_SOURCE_MAPPING",
        "the event source mapping that the breaker turns off: its UUID, or the name of the drain's function",
    )
    payload_bucket: str = _setting(
        "PENSTOCK_PAYLOAD_BUCKET", "the S3 bucket of the intents that are too large for a message"
    )
    payload_limit: int = _setting(
        "PENSTOCK_PAYLOAD_LIMIT", "how many bytes an intent in that bucket may take", 16_000_000
    )
    tenant_claim: str = _setting(
        "PENSTOCK_TENANT_CLAIM", "the claim of a verified token that names the caller's tenant"
    )
    body_limit: int = _setting("PENSTOCK_BODY_LIMIT", "how many bytes a request's body may have", 4_000_000)
    nesting_limit: int = _setting("PENSTOCK_NESTING_LIMIT", "how deep a request's JSON may be nested", 32)
    batch_limit: int = _setting("PENSTOCK_BATCH_LIMIT", "how many items one batch may have", 500)
    wait_limit: int = _setting(
        "PENSTOCK_WAIT_LIMIT", "how many seconds a question may wait for an outcome, 0 for none", 2, least=0
    )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Read the settings from `environment`.

        Raises:
            SettingsError: a variable has a value that cannot be used.
        """
        values: dict[str, Any] = {}
        for setting in fields(cls):
            text = environment.get(setting.metadata["variable"], "").strip()
            if text:
                values[setting.name] = _number(text, setting.metadata) if setting.type is int else text
        values.setdefault("database_reader_url", values.get("database_url", ""))
        return cls(**values)

    def require(self, *names: str) -> Self:
        """Return these settings if each of the fields `names` is set.

        Raises:
            SettingsError: naming every missing variable and what it should hold.
        """
        missing = [f.metadata for f in fields(self) if f.name in names and not getattr(self, f.name)]
        if missing:
            raise SettingsError("; ".join(f"{m['variable']} is not set: it is {m['meaning']}" for m in missing))
        return self


def _number(text: str, metadata: Mapping[str, Any]) -> int:
    if text.isascii() and text.isdigit() and int(text) >= metadata["least"]:
        return int(text)
    above = metadata["least"] - 1
    raise SettingsError(
        f"{metadata['variable']} must be a whole number above {above} ({metadata['meaning']}), not {text!r}"
    )


def refresh_secret(value: str) -> str:
    """Return the secret that `value` names as Secrets Manager has it now, at most once in ten seconds.

    Raises:
        SecretUnavailable: the secret cannot be read, and no earlier value of it is known.
    """
    known = _secrets.get(value)
    if known and time.monotonic() >= known.read_at + _REFRESH_SECONDS:
        _secrets[value] = _renewed(value, known)
    return resolve_secret(value)


def resolve_secret(value: str) -> str:
    """Return `value`, or the secret that it names where it is the ARN of a Secrets Manager secret.

    A secret is read again every five minutes. Where that fails, the one that is known stays good, and Secrets
    Manager is left alone for half a minute.

    Raises:
        SecretUnavailable: the secret cannot be read, and no earlier value of it is known.
    """
    if not value.startswith("arn:"):
        return value
    known = _secrets.get(value)
    if known is None or time.monotonic() >= known.until:
        _secrets[value] = known = _renewed(value, known)
    return known.text


@dataclass(frozen=True, slots=True)
class _Secret:
    """A secret as it was last read, and until when it need not be read again."""

    text: str = field(repr=False)
    until: float
    read_at: float


_secrets: dict[str, _Secret] = {}


def _renewed(arn: str, known: _Secret | None) -> _Secret:
    now = time.monotonic()
    try:
        return _Secret(_read(arn), now + _FRESH_SECONDS, now)
    except SecretUnavailable as error:
        if known is None:
            raise
        _logger.warning("%s; the known value is kept", error, extra={"action": "secret_stale"})
        return _Secret(known.text, now + _STALE_SECONDS, now)


def _read(arn: str) -> str:
    """Read a secret from Secrets Manager, giving up within seconds: a caller is waiting for an answer."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 (costly, and only here)

    from penstock.aws import aws_client, in_haste  # noqa: PLC0415

    try:
        with closing(aws_client("secretsmanager", in_haste(read_timeout=2))) as client:
            # People paste secrets with a line break at the end.
            return str(client.get_secret_value(SecretId=arn)["SecretString"]).strip()
    except ClientError as error:
        raise SecretUnavailable(f"the secret {arn} cannot be read: {error.response['Error']['Code']}") from error
    except (BotoCoreError, KeyError) as error:
        raise SecretUnavailable(f"the secret {arn} cannot be read: {type(error).__name__}") from error
