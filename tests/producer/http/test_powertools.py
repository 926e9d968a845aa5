"""The private members of Powertools that routing depends on.

These tests must pass with the lowest and with the newest version of Powertools that `pyproject.toml` allows.
"""

import inspect
import re
from collections.abc import Callable
from typing import Any

import pytest
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response

from penstock.producer.http.api import HttpApi
from penstock.producer.http.routing import RouteKeyResolver
from penstock.testing import LambdaContext

OVERRIDDEN = ["_resolve", "_convert_matches_into_route_keys", "_to_response"]


def event(route_key: str, path: str, **parameters: str) -> dict[str, Any]:
    """The event of a GET request."""
    return {
        "version": "2.0",
        "routeKey": route_key,
        "rawPath": path,
        "pathParameters": parameters,
        "headers": {},
        "requestContext": {"http": {"method": "GET", "path": path}, "stage": "$default"},
    }


@pytest.fixture
def api() -> HttpApi:
    """An API whose routes overlap: `/a/<x>/<y>` was registered before `/a/<x>/b` and matches its paths too."""
    api = HttpApi()

    def answer(name: str) -> Callable[..., dict[str, Any]]:
        return lambda **values: {
            "statusCode": 200,
            "headers": {"Content-Type": "text/plain"},
            "body": f"{name} {values}",
        }

    for rule in ("/a/<x>/<y>", "/a/<x>/b", "/a/c"):
        api.get(rule)(answer(rule))
    return api


@pytest.mark.parametrize("name", OVERRIDDEN)
def test_an_overridden_member_has_the_parameters_of_powertools(name: str) -> None:
    """Powertools has each private member that is overridden, with the same parameters."""
    own, theirs = (
        list(inspect.signature(getattr(owner, name)).parameters)
        for owner in (RouteKeyResolver, APIGatewayHttpResolver)
    )
    assert own == theirs


def test_nothing_else_of_powertools_is_overridden() -> None:
    """No further member of Powertools is overridden by accident, such as one of a newer version."""
    own = {name for owner in (HttpApi, RouteKeyResolver) for name in vars(owner)}
    theirs = {*dir(APIGatewayHttpResolver), *vars(APIGatewayHttpResolver())}
    assert {name for name in own & theirs if not name.startswith(("__", "_abc_"))} == {*OVERRIDDEN, "resolve"}


def test_powertools_calls_a_route_with_values() -> None:
    """Powertools can call a route by itself: `_call_route` takes the route and its values."""
    assert list(inspect.signature(APIGatewayHttpResolver._call_route).parameters) == [
        "self",
        "route",
        "route_arguments",
    ]


def test_the_registered_routes_are_known(api: HttpApi) -> None:
    """Each route has its method, its path in API Gateway's notation, its rule and its function."""
    assert [(route.method, route.openapi_path) for route in api.registered_routes] == [
        ("GET", "/a/c"),
        ("GET", "/a/{x}/{y}"),
        ("GET", "/a/{x}/b"),
    ]
    assert all(isinstance(route.rule, re.Pattern) and callable(route.func) for route in api.registered_routes)


@pytest.mark.parametrize(
    ("route_key", "path", "parameters", "body"),
    [
        ("GET /a/{x}/b", "/a/1/b", {"x": "1"}, "/a/<x>/b {'x': '1'}"),
        ("GET /a/{x}/b", "/a/\n/b", {"x": "\n"}, "/a/<x>/b {'x': '\\n'}"),
        ("GET /a/{x}/{y}", "/a/c", {"x": "", "y": "c"}, "/a/<x>/<y> {'x': '', 'y': 'c'}"),
        ("$default", "/a/%31/b", {}, "/a/<x>/<y> {'x': '1', 'y': 'b'}"),
        ("$default", "/a/c", {}, "/a/c {}"),
    ],
)
def test_the_route_is_the_one_that_the_event_names(
    api: HttpApi, route_key: str, path: str, parameters: dict[str, str], body: str
) -> None:
    """The route key decides, whatever the path would match. Without a known route key the path decides."""
    answer = api.resolve(event(route_key, path, **parameters), LambdaContext())
    assert (answer["statusCode"], answer["body"]) == (200, body)
    assert answer["headers"]["Content-Type"] == "text/plain"


def test_results_of_powertools_are_accepted() -> None:
    """A handler may return what Powertools accepts: a dict, a dict with a status, or a response."""
    api = HttpApi()
    results: list[Any] = [{"a": 1}, ({"a": 1}, 201), Response(202, "application/json", '{"a":1}')]
    for number, result in enumerate(results):
        api.get(f"/{number}")(lambda result=result: result)
    answers = [api.resolve(event(f"GET /{number}", f"/{number}"), LambdaContext()) for number in range(3)]
    assert [(answer["statusCode"], answer["body"]) for answer in answers] == [
        (200, '{"a":1}'),
        (201, '{"a":1}'),
        (202, '{"a":1}'),
    ]


def test_a_middleware_sees_the_final_response(api: HttpApi) -> None:
    """A middleware of Powertools gets a handler's proxy response as a response, and may return its own."""
    seen: list[int] = []

    def middleware(app: Any, next_middleware: Callable[..., Any]) -> Any:
        seen.append(next_middleware(app).status_code)
        return {"statusCode": 418, "headers": {"Content-Type": "text/plain"}, "body": "own"}

    api.use(middlewares=[middleware])
    answer = api.resolve(event("GET /a/c", "/a/c"), LambdaContext())
    assert (seen, answer["statusCode"], answer["body"]) == ([200], 418, "own")
