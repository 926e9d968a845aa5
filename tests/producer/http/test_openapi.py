"""The OpenAPI document is tested against the code that it describes."""

import base64
import re
from collections.abc import Callable, Iterable
from http import HTTPStatus
from importlib import import_module
from typing import Any
from urllib.parse import unquote

import pytest
import schemathesis
import yaml
from hypothesis import HealthCheck, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection
from sqlalchemy import Engine

from penstock.consumer import Outcomes
from penstock.infra.include_file import include_document
from penstock.producer import Producer, emitter
from penstock.producer.http import openapi
from penstock.settings import Settings
from penstock.testing import LambdaContext, MemoryQueue
from tests.support.described import BEYOND_SCHEMAS, wrong
from tests.support.openapi import DOCUMENT, FILE, OPERATIONS
from tests.support.project import ROOT

TARGETS = ["producer.page_views", "producer.orders", "producer.stock", "producer.emails", "producer.batches"]


def test_the_description_is_up_to_date() -> None:
    """The packaged document is the one that `make openapi` would write now."""
    assert openapi.text_of(TARGETS, title="shop", version="1") == FILE.read_text(), "run `make openapi`"


def test_every_deployed_route_is_described() -> None:
    """Each route in serverless.yml is described, except for the document itself and HEAD."""
    _, own = yaml.safe_load((ROOT / "serverless.yml").read_text())["functions"]
    functions = {**include_document()["functions"], **own}.values()
    events = [
        event["httpApi"] for function in functions for event in function.get("events", ()) if "httpApi" in event
    ]
    deployed = {(event["method"].lower(), event["path"]) for event in events}
    described = {(method, path) for path, methods in DOCUMENT["paths"].items() for method in methods}
    assert deployed - described == {("get", "/openapi.json"), ("head", "/writes/{receipt}")}
    assert described <= deployed


Start = Callable[[str, list[tuple[str, str]]], Any]


def gateway(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
    """Call the functions behind an HTTP API, as a WSGI application."""
    method, path = environ["REQUEST_METHOD"], environ["REQUEST_URI"].partition("?")[0]
    headers = {name[5:].lower().replace("_", "-"): environ[name] for name in environ if name.startswith("HTTP_")}
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    for module in (*TARGETS, "penstock.functions.writes"):
        for route, template in ROUTES[module]:
            if (found := template.fullmatch(path)) and route.startswith(f"{method} "):
                event = {
                    "version": "2.0",
                    "routeKey": route,
                    "rawPath": path,
                    "pathParameters": {
                        k: unquote(v, errors="surrogateescape") for k, v in found.groupdict().items()
                    },
                    "headers": headers | {"content-type": environ.get("CONTENT_TYPE", "")},
                    "requestContext": {"http": {"method": method, "path": path}, "stage": "$default"},
                    "body": base64.b64encode(body).decode(),
                    "isBase64Encoded": True,
                }
                answer = import_module(module).handler(event, LambdaContext(5))
                status = HTTPStatus(answer["statusCode"])
                start(f"{status.value} {status.phrase}", list(answer["headers"].items()))
                return [answer["body"].encode()]
    start("404 Not Found", [("Content-Type", "application/json")])
    return [b'{"message":"Not Found"}']


def _routes(module: str) -> list[tuple[str, re.Pattern[str]]]:
    api = import_module(module).api
    return [
        (
            f"{route.method} {route.openapi_path}",
            re.compile(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", route.openapi_path)),
        )
        for route in api.registered_routes
    ]


ROUTES = {module: _routes(module) for module in (*TARGETS, "penstock.functions.writes")}


@pytest.fixture
def described(monkeypatch: pytest.MonkeyPatch, engine: Engine) -> Any:
    """The API with its document, a queue in memory and an empty ledger."""
    settings = Settings(receipt_key="key", source="/shop", wait_limit=0)
    producer = Producer(settings, MemoryQueue())
    monkeypatch.setattr(emitter, "environment_producer", lambda: producer)
    status = import_module("penstock.functions.writes")
    monkeypatch.setattr(status, "outcomes", Outcomes(settings, engine=engine))
    monkeypatch.setitem(vars(status.api), "_settings", settings)
    # The document without API Gateway's part: no token is required here.
    schema = schemathesis.openapi.from_dict(DOCUMENT | {"security": []})
    schema.app = gateway
    return schema


@pytest.mark.parametrize("mode", GenerationMode)
@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_the_api_is_as_described(described: Any, path: str, method: str, mode: GenerationMode) -> None:
    """Every request is answered with a status, headers and a body of the document, and never with 500."""
    if (method, mode) == ("get", GenerationMode.NEGATIVE):
        pytest.skip("every string has the form of a receipt")
    # A batch is not refused for one bad item.
    excluded: list[Any] = [negative_data_rejection] if path == "/batches" else []

    @settings(max_examples=40, suppress_health_check=list(HealthCheck))
    @given(case=described[path][method].as_strategy(generation_mode=mode))
    def check(case: Case[Any]) -> None:
        response = case.call()
        if response.status_code < HTTPStatus.BAD_REQUEST or not wrong(response.json()) <= BEYOND_SCHEMAS:
            case.validate_response(response, excluded_checks=excluded)

    check()
