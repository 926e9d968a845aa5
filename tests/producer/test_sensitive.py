"""Emitting Sensitive fields: what is sent, what is refused, and what other kinds pay for it."""

import json
import subprocess
import sys
from typing import Any

import pytest

from penstock import EncryptionUnavailable, Sensitive, WriteIntent, emit
from penstock.encryption.keys import KeyProblem
from penstock.producer import Producer, accepted
from penstock.producer.emitter import use_producer
from penstock.producer.http.api import HttpApi
from penstock.settings import Settings, SettingsError
from penstock.testing import Emitted, LambdaContext, MemoryKeys, MemoryQueue, http_event


class SignedUp(WriteIntent, kind="signed.up"):
    name: str
    email: Sensitive[str]


api = HttpApi(Settings())


@api.post("/sign-ups")
def sign_up() -> dict[str, Any]:
    """Sign up."""
    return accepted(api.emit(api.intent(SignedUp)))


SETTINGS = Settings(receipt_key="key", source="/shop")
EVENT = http_event("POST /sign-ups", {"name": "a", "email": "a@example.org"})


def test_a_request_is_encrypted(caplog: pytest.LogCaptureFixture) -> None:
    """The body of a request has the plaintext, the message does not; the tests of a service need no KMS."""
    emitted = Emitted()
    with emitted.capture():
        answer = api.resolve(EVENT, LambdaContext())
    assert answer["statusCode"] == 202
    assert "example" not in emitted.queue.messages[0].body + answer["body"] + caplog.text
    (intent,) = emitted.of(SignedUp)
    assert intent.email.reveal() == "a@example.org"


@pytest.mark.parametrize("problem", KeyProblem)
def test_without_a_data_key_nothing_is_sent(problem: KeyProblem) -> None:
    """KMS refuses or is silent: the answer is 503 with Retry-After, in a batch for all of it."""
    queue, keys = MemoryQueue(), MemoryKeys()
    keys.refuse(problem, "ThrottlingException")
    producer = Producer(SETTINGS, queue, keys=keys)
    with use_producer(producer):
        answer = api.resolve(EVENT, LambdaContext())
        with pytest.raises(EncryptionUnavailable, match="ThrottlingException"):
            emit(SignedUp(name="a", email=Sensitive("a@b")))
    assert (answer["statusCode"], json.loads(answer["body"])["type"]) == (503, "urn:penstock:problem:not-ready")
    assert int(answer["headers"]["Retry-After"]) > 0
    assert queue.messages == []


def test_a_missing_setting_is_named() -> None:
    """Only the first Sensitive field needs the setting; then its variable is named, and nothing is sent."""
    queue = MemoryQueue()
    with pytest.raises(SettingsError, match="PENSTOCK_ENCRYPTION_KEY is not set"):
        Producer(SETTINGS, queue).emit(SignedUp(name="a", email=Sensitive("a@b")))
    assert queue.messages == []


def test_a_wrong_field_is_not_repeated() -> None:
    """The problem of a bad request names the field, and shows none of its value."""
    event = http_event("POST /sign-ups", {"name": "a", "email": ["a@example.org"], "more": "b@example.org"})
    answer = api.resolve(event, LambdaContext())
    assert (answer["statusCode"], "example" in answer["body"]) == (422, False)


CHECK = """
import sys
from typing import Any
from penstock import Sensitive, WriteIntent
from penstock.producer import Producer
from penstock.settings import Settings
from penstock.testing.keys import MemoryKeys
from penstock.testing.queue import MemoryQueue
class Plain(WriteIntent, kind="plain"):
    x: str
class Hidden(WriteIntent, kind="hidden"):
    x: Sensitive[str]
producer = Producer(Settings(receipt_key="k", source="/s"), MemoryQueue(), keys=MemoryKeys())
producer.emit(Plain(x="a"))
print("cryptography" in sys.modules, "penstock.encryption.sealer" in sys.modules)
producer.emit(Hidden(x=Sensitive("a")))
print("cryptography" in sys.modules)
"""


def test_other_kinds_import_nothing_for_it() -> None:
    """`cryptography` is imported for the first Sensitive value only."""
    done = subprocess.run([sys.executable, "-c", CHECK], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False", "True"]
