"""Events as an HTTP API of API Gateway passes them to a handler, in payload format 2.0."""

import base64
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

_TIME = "15/Jan/2027:08:00:00 +0000"
_TIME_EPOCH_MS = 1_800_000_000_000


def http_event(
    route: str,
    body: Any = None,
    *,
    path: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    authorizer: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Make the event of one request (API Gateway Developer Guide, "Lambda proxy integrations for HTTP APIs").

        http_event("POST /stock/{sku}/adjustments", {"delta": -2}, path={"sku": "A1"})

    Args:
        route: the route key: a method and a path, whose parameters are in braces.
        body: a string, which is passed as it is; bytes, which become base64; or a value, which becomes JSON. A
            request without a body has None.
        path: the path parameters, decoded.
        query: the query parameters.
        headers: the headers. API Gateway writes their names in lower case. The default `content-type` is
            `application/json`, if there is a body.
        authorizer: what the authorizer says of the caller, such as `{"jwt": {"claims": {"sub": "me"}}}`.

    Raises:
        ValueError: `path` does not have exactly the parameters of the route.
    """
    method, path_of_route = route.split(" ", 1)
    raw_path = _raw_path(path_of_route, path or {})
    event = {
        "version": "2.0",
        "routeKey": route,
        "rawPath": raw_path,
        "rawQueryString": urlencode(query or {}),
        "headers": _headers(headers or {}, body),
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "test",
            "domainName": "test.execute-api.eu-central-1.amazonaws.com",
            "domainPrefix": "test",
            "http": {
                "method": method,
                "path": raw_path,
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
                "userAgent": "test",
            },
            "requestId": "test",
            "routeKey": route,
            "stage": "$default",
            "time": _TIME,
            "timeEpoch": _TIME_EPOCH_MS,
            **({"authorizer": dict(authorizer)} if authorizer is not None else {}),
        },
        "isBase64Encoded": isinstance(body, bytes),
    }
    # API Gateway leaves out what a request does not have.
    optional = {"pathParameters": path, "queryStringParameters": query}
    event |= {name: dict(values) for name, values in optional.items() if values}
    return event if body is None else event | {"body": _text(body)}


def _raw_path(path_of_route: str, values: Mapping[str, str]) -> str:
    """Put the parameters in the path. The name of a greedy parameter ends with `+`."""
    parts = path_of_route.replace("+}", "}").split("/")
    names = {part[1:-1] for part in parts if part.startswith("{") and part.endswith("}")}
    if names != values.keys():
        raise ValueError(f"{path_of_route!r} has the parameters {sorted(names)}, and `path` has {sorted(values)}")
    return "/".join(values[part[1:-1]] if part[1:-1] in names and part[0] == "{" else part for part in parts)


def _headers(headers: Mapping[str, str], body: Any) -> dict[str, str]:
    default = {} if body is None else {"content-type": "application/json"}
    return default | {name.lower(): value for name, value in headers.items()}


def _text(body: Any) -> str:
    if isinstance(body, bytes):
        return base64.b64encode(body).decode()
    return body if isinstance(body, str) else json.dumps(body)
