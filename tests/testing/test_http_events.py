"""The events of an HTTP API, as a handler reads them."""

import base64
from typing import Any

import pytest

from penstock.producer.http.api import HttpApi
from penstock.settings import Settings
from penstock.testing import LambdaContext, http_event

ROUTE = "POST /stock/{sku}/adjustments"


def seen_by_a_handler(event: dict[str, Any]) -> dict[str, Any]:
    """Let Powertools and `HttpApi` parse the event, and return what a handler finds."""
    api = HttpApi(Settings(tenant_claim="tenant"))
    seen: dict[str, Any] = {}

    @api.post("/stock/<sku>/adjustments")
    def handle(sku: str) -> dict[str, Any]:
        request = api.current_event
        seen.update(sku=sku, body=request.decoded_body, query=request.query_string_parameters, tenant=api.tenant)
        seen.update(key=api.idempotency_key, path=request.path, method=request.http_method)
        return {}

    answer = api.resolve(event, LambdaContext())
    assert answer["statusCode"] == 200, answer
    return seen


def test_a_handler_finds_what_the_test_gave() -> None:
    """Path, query, header, tenant and body reach the handler, and the header's name in any case."""
    event = http_event(
        ROUTE,
        {"delta": -2},
        path={"sku": "A 1"},
        query={"dry": "1"},
        headers={"Idempotency-Key": "k"},
        authorizer={"jwt": {"claims": {"tenant": "t1"}}},
    )
    assert seen_by_a_handler(event) == {
        "sku": "A 1",
        "body": '{"delta": -2}',
        "query": {"dry": "1"},
        "tenant": "t1",
        "key": "k",
        "path": "/stock/A 1/adjustments",
        "method": "POST",
    }
    assert event["headers"] == {"content-type": "application/json", "idempotency-key": "k"}


def test_bytes_are_base64() -> None:
    """A body of bytes travels as base64, and says so."""
    event = http_event("POST /files", b"\xff\x00", headers={"Content-Type": "image/png"})
    assert (base64.b64decode(event["body"]), event["isBase64Encoded"]) == (b"\xff\x00", True)
    assert event["headers"] == {"content-type": "image/png"}


def test_what_a_request_does_not_have_is_left_out() -> None:
    """Without a body, parameters and a caller the event has no such keys, as API Gateway's own."""
    event = http_event("GET /stock")
    assert not {"body", "pathParameters", "queryStringParameters"} & event.keys()
    assert "authorizer" not in event["requestContext"]
    assert event["headers"] == {}


def test_a_greedy_parameter_may_hold_slashes() -> None:
    """The value of a parameter such as `{proxy+}` is put into the path as it is."""
    assert http_event("GET /files/{proxy+}", path={"proxy": "a/b"})["rawPath"] == "/files/a/b"


@pytest.mark.parametrize("path", [{}, {"sku": "A", "id": "1"}, {"id": "1"}])
def test_path_parameters_must_be_those_of_the_route(path: dict[str, str]) -> None:
    """A parameter that is missing or unknown is an error of the test, and is named."""
    with pytest.raises(ValueError, match=r"has the parameters \['sku'\], and `path` has"):
        http_event(ROUTE, {}, path=path)
