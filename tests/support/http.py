"""Call the service's functions as an HTTP API does."""

import importlib
import json
from typing import Any, Protocol
from uuid import uuid4

from penstock.testing import LambdaContext, http_event

ROUTES = {
    "page_views": "POST /page-views",
    "orders": "POST /orders",
    "stock": "POST /stock/{sku}/adjustments",
    "emails": "POST /emails",
    "batches": "POST /batches",
}


VALUES = {"stock": {"sku": "A1"}}


VIEW = {"path": "/", "visitor": str(uuid4()), "viewed_at": "2026-11-20T10:00:00Z"}


class Limit(Protocol):
    def __call__(self, function: str, **limits: Any) -> None: ...


def call(
    function: str,
    body: Any,
    *,
    route: str | None = None,
    values: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
    authorizer: Any = None,
    **event: Any,
) -> tuple[int, dict[str, str], dict[str, Any]]:
    """Call a function as an HTTP API does, with decoded path parameters; return status, headers and body."""
    route = route or ROUTES[function]
    values = values or VALUES.get(function, {})
    made = http_event(
        route,
        body if isinstance(body, str) else json.dumps(body),
        path=values,
        headers=headers,
        authorizer=authorizer,
    )
    answer = importlib.import_module(f"producer.{function}").handler(made | event, LambdaContext())
    assert answer["isBase64Encoded"] is False
    return answer["statusCode"], answer["headers"], json.loads(answer["body"])
