"""What the log of an API handler says of an error that nobody expected: route and frames, and no value."""

from typing import Any

import pytest

from penstock.producer.http.api import HttpApi
from penstock.testing import LambdaContext, http_event
from tests.support.http import VIEW, call

SECRET = "hunter2"

api = HttpApi()


@api.get("/things/<name>")
def broken(name: str) -> dict[str, Any]:
    raise KeyError(name)


def failed(caplog: pytest.LogCaptureFixture) -> dict[str, Any]:
    (found,) = [vars(record) for record in caplog.records if getattr(record, "action", "") == "request_failed"]
    return found


def test_an_unexpected_error_is_named_by_route_and_frame(caplog: pytest.LogCaptureFixture) -> None:
    """The log has the route and leads to the line of the handler; neither it nor the answer has a value."""
    answer = api.resolve(http_event("GET /things/{name}", path={"name": SECRET}), LambdaContext())
    found = failed(caplog)
    place = f"{__name__}:{broken.__code__.co_firstlineno + 2} broken"
    assert (answer["statusCode"], found["route"], found["frames"][-1]) == (500, "GET /things/{name}", place)
    assert found["message"] == f"unexpected, in GET /things/{{name}}: KeyError at {place}"
    assert SECRET not in str(found) + answer["body"]


def test_the_default_route_does_not_show_the_path(caplog: pytest.LogCaptureFixture) -> None:
    """Where API Gateway has one route for all paths, the log has its key, not the path, which holds values."""
    event = http_event("GET /things/{name}", path={"name": SECRET}) | {"routeKey": "$default"}
    assert api.resolve(event, LambdaContext())["statusCode"] == 500
    assert failed(caplog)["route"] == "$default"
    assert SECRET not in str(failed(caplog))


def test_a_missing_setting_is_named(caplog: pytest.LogCaptureFixture) -> None:
    """The log of a service without settings names each variable and where to set it; the answer does not."""
    status, _, problem = call("page_views", VIEW)
    message = failed(caplog)["message"]
    assert (status, problem["type"]) == (500, "urn:penstock:problem:internal")
    assert "PENSTOCK_QUEUE_URL is not set (the URL of the queue that receives the intents); " in message
    assert message.endswith(". Set it in the environment of this process")
    assert "PENSTOCK" not in str(problem)
