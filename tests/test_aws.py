"""AWS clients: their User-Agent, and the cost of making one."""

from contextlib import closing
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import DataNotFoundError
from botocore.loaders import JSONFileLoader, Loader

from penstock.aws import _loader, aws_client, fail_fast_config


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set a region and credentials, as in a Lambda function."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


def user_agent(**config: Any) -> str:
    """Call SQS, and return the User-Agent of the call."""
    sent: list[Any] = []

    def answer(request: Any, **_kwargs: Any) -> AWSResponse:
        sent.append(request.headers["User-Agent"])
        headers: Any = {}
        return AWSResponse(request.url, 200, headers, Empty())

    with closing(aws_client("sqs", fail_fast_config(read_timeout=1, **config))) as client:
        client.meta.events.register("before-send.sqs", answer)
        client.list_queues()
    (found,) = sent
    return found.decode() if isinstance(found, bytes) else str(found)


class Empty:
    """An empty response body."""

    def stream(self) -> list[bytes]:
        """Return the content."""
        return [b"{}"]


def test_the_user_agent_names_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    """The User-Agent names botocore, the execution environment and the application, if it has a name."""
    monkeypatch.setenv("AWS_EXECUTION_ENV", "AWS_Lambda_python3.14")
    monkeypatch.setenv("AWS_SDK_UA_APP_ID", "shop")
    agent = user_agent()
    assert agent.startswith("Botocore/")
    assert {"exec-env/AWS_Lambda_python3.14", "app/shop"} <= set(agent.split())


def test_the_user_agent_is_built_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call uses the User-Agent that was built with its client; botocore builds none per call."""

    def fail(*_args: Any) -> None:
        raise AssertionError("built again")

    monkeypatch.setattr("botocore.useragent.UserAgentString._build_sdk_metadata", fail)
    assert user_agent().startswith("Botocore/")


def test_no_folder_of_other_services_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client is made without botocore's list of all services; an unknown service is an error all the same."""

    def fail(*_args: Any) -> None:
        raise AssertionError("listed")

    monkeypatch.setattr(Loader, "list_available_services", fail)
    _loader.cache_clear()
    aws_client("sqs", fail_fast_config(read_timeout=1)).close()
    with pytest.raises(DataNotFoundError, match="nothing"):
        aws_client("nothing", fail_fast_config(read_timeout=1))


def test_service_descriptions_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """All clients of a process share the service descriptions that botocore reads from files."""
    aws_client("sqs", fail_fast_config(read_timeout=1)).close()
    read: list[str] = []
    monkeypatch.setattr(JSONFileLoader, "load_file", lambda _self, path: read.append(path))
    aws_client("sqs", fail_fast_config(read_timeout=1)).close()
    assert read == []
