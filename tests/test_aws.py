"""Clients of AWS: what they say of themselves, and what making one costs."""

from contextlib import closing
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.loaders import JSONFileLoader

from penstock.aws import aws_client, in_haste


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a region and credentials, as a function has them."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


def user_agent(**config: Any) -> str:
    """Ask SQS something, and return what the call says of the caller."""
    said: list[Any] = []

    def answer(request: Any, **_words: Any) -> AWSResponse:
        said.append(request.headers["User-Agent"])
        headers: Any = {}
        return AWSResponse(request.url, 200, headers, Empty())

    with closing(aws_client("sqs", in_haste(read_timeout=1, **config))) as client:
        client.meta.events.register("before-send.sqs", answer)
        client.list_queues()
    (found,) = said
    return found.decode() if isinstance(found, bytes) else str(found)


class Empty:
    """An answer that says nothing."""

    def stream(self) -> list[bytes]:
        """Give its content."""
        return [b"{}"]


def test_a_call_says_who_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS is told botocore and where it runs, and the application's name if it has one."""
    monkeypatch.setenv("AWS_EXECUTION_ENV", "AWS_Lambda_python3.14")
    monkeypatch.setenv("AWS_SDK_UA_APP_ID", "shop")
    said = user_agent()
    assert said.startswith("Botocore/")
    assert {"exec-env/AWS_Lambda_python3.14", "app/shop"} <= set(said.split())


def test_who_calls_is_put_together_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call takes the text that was made with its client, and botocore makes none of its own for it."""

    def fail(*_words: Any) -> None:
        raise AssertionError("made anew")

    monkeypatch.setattr("botocore.useragent.UserAgentString._build_sdk_metadata", fail)
    assert user_agent().startswith("Botocore/")


def test_a_further_client_reads_no_description_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a service looks like is read from botocore's files once in a process, whatever client asks."""
    aws_client("sqs", in_haste(read_timeout=1)).close()
    read: list[str] = []
    monkeypatch.setattr(JSONFileLoader, "load_file", lambda _self, path: read.append(path))
    aws_client("sqs", in_haste(read_timeout=1)).close()
    assert read == []
