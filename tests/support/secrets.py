"""A Secrets Manager with one secret, which a test controls."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from penstock.testing import ManualClock

ARN = "arn:aws:secretsmanager:eu-central-1:000000000000:secret:key"


class Secrets:
    """A replacement for the client. It returns `text`, or refuses after `fail`."""

    arn = ARN

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Replace Secrets Manager, with nothing cached, and with a manual clock."""
        self.clock = ManualClock()
        self.text: str | None = "one"
        self.calls = 0
        monkeypatch.setattr("penstock.settings._secrets", {})
        monkeypatch.setattr("penstock.settings.time.monotonic", self.clock)
        monkeypatch.setattr("penstock.aws.aws_client", lambda *_words, **_options: self)

    def fail(self) -> None:
        """Refuse from now on."""
        self.text = None

    def get_secret_value(self, SecretId: str) -> dict[str, Any]:  # noqa: N803 (AWS's name)
        """Return the secret as Secrets Manager does."""
        assert SecretId == ARN
        self.calls += 1
        if self.text is None:
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "GetSecretValue")
        return {"SecretString": self.text}

    def close(self) -> None:
        """Close nothing."""
