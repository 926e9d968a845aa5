"""Settings: read from the environment once, frozen, and passed on as an argument.

The database URLs, the receipt key and the digest key may be ARNs of Secrets Manager secrets instead of values.
`resolve_secret` returns the value of such a secret.
"""

import logging
import os
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field, fields
from typing import Any, Self

_logger = logging.getLogger(__name__)

_REFRESH_SECONDS = 300
_RETRY_SECONDS = 30
_REREAD_SECONDS = 10


class SettingsError(Exception):
    """A setting is missing or invalid; the message names its environment variable."""


class SecretUnavailable(Exception):
    """A secret that a setting names cannot be read now; the message has its ARN and the reason."""


def _setting(variable: str, description: str, default: Any = "", *, least: int = 1) -> Any:
    metadata = {"variable": variable, "description": description, "least": least}
    return field(default=default, repr=False, metadata=metadata)


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of Penstock. Each field is one environment variable, `PENSTOCK_*`."""

    queue_url: str = _setting("PENSTOCK_QUEUE_URL", "the URL of the queue that receives the intents")
    dead_letter_queue_url: str = _setting("PENSTOCK_DEAD_LETTER_QUEUE_URL", "the URL of the dead-letter queue")
    database_url: str = _setting(
        "PENSTOCK_DATABASE_URL", "the postgresql:// URL of the database, or the ARN of a secret that names it"
    )
    database_reader_url: str = _setting(
        "PENSTOCK_DATABASE_READER_URL",
        "the postgresql:// URL that outcomes are read from, or the ARN of a secret that names it",
    )
    pool_size: int = _setting(
        "PENSTOCK_POOL_SIZE", "the number of connections that one function instance may hold", 1
    )
    pipelines: bool = _setting(
        "PENSTOCK_PIPELINES",
        "whether the drain sends statements before earlier ones are answered; false for a pooler that cannot pass "
        "them on",
        True,
    )
    receipt_key: str = _setting(
        "PENSTOCK_RECEIPT_KEY",
        "the key that signs receipts, or a JSON list of keys: the first signs, each is accepted; or the ARN of a "
        "secret that contains either",
    )
    encryption_key: str = _setting(
        "PENSTOCK_ENCRYPTION_KEY",
        "the KMS key that wraps the data keys of Sensitive fields: its id, its ARN or its alias",
    )
    digest_key: str = _setting(
        "PENSTOCK_DIGEST_KEY",
        "the key of the digests by which the ledger compares Sensitive fields, or the ARN of a secret that "
        "contains it",
    )
    source: str = _setting("PENSTOCK_SOURCE", "the name of the service that emits, a URI reference such as /shop")
    event_source_mapping: str = _setting(
        "PENSTOCK_EVENT_SOURCE_MAPPING",
        "the event source mapping that the breaker disables: its UUID, or the name of the drain's function",
    )
    event_bus: str = _setting(
        "PENSTOCK_EVENT_BUS",
        "the EventBridge event bus that gets an event about each outcome: its name or ARN; empty for no events",
    )
    event_outcomes: str = _setting(
        "PENSTOCK_EVENT_OUTCOMES", "the outcomes that have events, separated by commas; all by default"
    )
    event_kinds: str = _setting(
        "PENSTOCK_EVENT_KINDS", "the kinds that have events, separated by commas; all by default"
    )
    pack_limit: int = _setting(
        "PENSTOCK_PACK_LIMIT",
        "the largest size of a message in which emit_many packs intents, in bytes, such as 65536; 0 packs none",
        0,
        least=0,
    )
    payload_bucket: str = _setting(
        "PENSTOCK_PAYLOAD_BUCKET", "the S3 bucket for intents that are too large for a message"
    )
    payload_limit: int = _setting(
        "PENSTOCK_PAYLOAD_LIMIT", "the largest size of an intent in that bucket, in bytes", 16_000_000
    )
    payload_conditions: bool = _setting(
        "PENSTOCK_PAYLOAD_CONDITIONS",
        "whether callers of the function `dead-letters` may select by what is in a payload: it answers yes or no",
        False,
    )
    tenant_claim: str = _setting(
        "PENSTOCK_TENANT_CLAIM", "the claim in a verified token that contains the caller's tenant"
    )
    body_limit: int = _setting("PENSTOCK_BODY_LIMIT", "the largest size of a request body, in bytes", 4_000_000)
    nesting_limit: int = _setting("PENSTOCK_NESTING_LIMIT", "the deepest nesting of the JSON in a request", 32)
    batch_limit: int = _setting("PENSTOCK_BATCH_LIMIT", "the most items in one batch", 500)
    wait_limit: int = _setting(
        "PENSTOCK_WAIT_LIMIT",
        "the longest time that a request may wait for an outcome, in seconds; 0 disables waiting",
        2,
        least=0,
    )
    metrics: bool = _setting(
        "PENSTOCK_METRICS",
        "whether the functions print metrics for CloudWatch, in its embedded metric format",
        False,
    )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Read the settings from `environment`.

        Raises:
            SettingsError: the value of a variable is invalid.
        """
        values: dict[str, Any] = {}
        for setting in fields(cls):
            text = environment.get(setting.metadata["variable"], "").strip()
            if text:
                values[setting.name] = _READERS[setting.type](text, setting.metadata)
        values.setdefault("database_reader_url", values.get("database_url", ""))
        return cls(**values)

    def require(self, *names: str) -> Self:
        """Return these settings after checking that each of the fields `names` is set.

        Raises:
            SettingsError: at least one is not; the message names and describes every missing variable.
        """
        missing = [f.metadata for f in fields(self) if f.name in names and not getattr(self, f.name)]
        if missing:
            named = "; ".join(f"{m['variable']} is not set ({m['description']})" for m in missing)
            raise SettingsError(f"{named}. {_place()}")
        return self


def _place() -> str:
    """Say where to set a variable that this process lacks."""
    function = os.environ.get("AWS_LAMBDA_FUNCTION_NAME")
    if function:
        return f"Set it in the environment of the function {function}: `environment` in serverless.yml"
    return "Set it in the environment of this process"


def _number(text: str, metadata: Mapping[str, Any]) -> int:
    if text.isascii() and text.isdigit() and int(text) >= metadata["least"]:
        return int(text)
    raise SettingsError(
        f"{metadata['variable']} must be a whole number, {metadata['least']} or greater, not {text!r} "
        f"({metadata['description']})"
    )


def _truth(text: str, metadata: Mapping[str, Any]) -> bool:
    if text.lower() in {"true", "false"}:
        return text.lower() == "true"
    raise SettingsError(f"{metadata['variable']} must be true or false, not {text!r} ({metadata['description']})")


_READERS: Mapping[Any, Callable[[str, Mapping[str, Any]], Any]] = {
    int: _number,
    bool: _truth,
    str: lambda text, _: text,
}


def refresh_secret(value: str) -> str:
    """Return the secret that `value` names as Secrets Manager has it now, at most once in ten seconds.

    Raises:
        SecretUnavailable: the secret cannot be read, and no earlier value of it is known.
    """
    known = _secrets.get(value)
    if known and time.monotonic() >= known.read_at + _REREAD_SECONDS:
        _secrets[value] = _renew(value, known)
    return resolve_secret(value)


def resolve_secret(value: str) -> str:
    """Return `value`, or the value of the secret if `value` is the ARN of a Secrets Manager secret.

    A secret is read again after five minutes. If that fails, the known value is used, and the next attempt comes
    30 seconds later.

    Raises:
        SecretUnavailable: the secret cannot be read, and no earlier value is known.
    """
    if not value.startswith("arn:"):
        return value
    known = _secrets.get(value)
    if known is None or time.monotonic() >= known.until:
        _secrets[value] = known = _renew(value, known)
    return known.text


@dataclass(frozen=True, slots=True)
class _Secret:
    """The value of a secret, and the time until which it need not be read again (monotonic clock)."""

    text: str = field(repr=False)
    until: float
    read_at: float


_secrets: dict[str, _Secret] = {}


def _renew(arn: str, known: _Secret | None) -> _Secret:
    now = time.monotonic()
    try:
        return _Secret(_read(arn), now + _REFRESH_SECONDS, now)
    except SecretUnavailable as error:
        if known is None:
            raise
        _logger.warning("%s; the known value stays in use", error, extra={"action": "secret_stale"})
        return _Secret(known.text, now + _RETRY_SECONDS, now)


def _read(arn: str) -> str:
    """Read a secret from Secrets Manager. This fails within seconds, because a caller waits for the response."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 (costly, and only here)

    from penstock.aws import aws_client, fail_fast_config  # noqa: PLC0415

    try:
        with closing(aws_client("secretsmanager", fail_fast_config(read_timeout=2))) as client:
            # A pasted secret often ends with a line break.
            return str(client.get_secret_value(SecretId=arn)["SecretString"]).strip()
    except ClientError as error:
        raise SecretUnavailable(f"the secret {arn} cannot be read: {error.response['Error']['Code']}") from error
    except (BotoCoreError, KeyError) as error:
        raise SecretUnavailable(f"the secret {arn} cannot be read: {type(error).__name__}") from error
