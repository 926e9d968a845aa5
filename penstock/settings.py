"""Settings: read once from the environment, frozen, passed down.

Two settings may be given as the ARN of a Secrets Manager secret in place of the value itself:
the database URLs and the receipt key. `resolve_secret` turns such an ARN into its value.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self


class SettingsError(Exception):
    """A setting is missing or has a value that cannot be used; the message names its variable."""


def _setting(variable: str, meaning: str, default: Any = "") -> Any:
    return field(default=default, repr=False, metadata={"variable": variable, "meaning": meaning})


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
                values[setting.name] = _positive(text, setting.metadata) if setting.type is int else text
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


def _positive(text: str, metadata: Mapping[str, str]) -> int:
    if text.isascii() and text.isdigit() and int(text) > 0:
        return int(text)
    raise SettingsError(
        f"{metadata['variable']} must be a whole number above 0 ({metadata['meaning']}), not {text!r}"
    )


def resolve_secret(value: str) -> str:
    """Return `value`, or the secret that it names where it is the ARN of a Secrets Manager secret.

    Raises:
        aws_lambda_powertools.utilities.parameters.exceptions.GetParameterError: the secret cannot be read.
    """
    if not value.startswith("arn:"):
        return value
    from aws_lambda_powertools.utilities import parameters  # noqa: PLC0415 (costly, and only here)

    return str(parameters.get_secret(value, max_age=_SECRET_SECONDS))


_SECRET_SECONDS = 300
