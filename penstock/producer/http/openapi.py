"""Describe an API as an OpenAPI 3.1 document, generated from its routes and intents before it is packaged.

    python -m penstock.producer.http.openapi --title shop --version 1 producer.orders:api producer.stock:api

writes the document to stdout. To find out which intents a handler accepts, the handler is called until it calls
`api.intent` or `api.batch`, which then raise. Nothing is emitted.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from pydantic.json_schema import models_json_schema

from penstock.intents import WriteIntent, kind_of
from penstock.producer.http.api import HttpApi
from penstock.producer.http.openapi_responses import (
    ACCEPTED,
    BATCH,
    FOUND,
    NOT_MODIFIED,
    OUTCOME,
    WRITE,
    batch_response,
    problem_responses,
    response_schemas,
)
from penstock.producer.http.requests import KEY_PATTERN

_REF: Final = "#/components/schemas/{model}"


class _Accepts(BaseException):
    """Raised by a handler's call: what it accepts. Not an `Exception`, so that no handler catches it.

    Attributes:
        kinds: the intent classes.
        path: the names of the fields that the path gives.
        many: whether the handler accepts a batch.
    """

    def __init__(self, kinds: tuple[type[WriteIntent], ...], path: tuple[str, ...], *, many: bool) -> None:
        super().__init__()
        self.kinds = kinds
        self.path = path
        self.many = many


def describe(apis: Iterable[HttpApi], *, title: str, version: str) -> dict[str, Any]:
    """Describe APIs as one OpenAPI 3.1 document.

    Args:
        apis: the APIs. Routes that do not emit intents are left out.
        title: the service's name.
        version: its version.
    """
    routes = [route for api in apis for route in _routes(api)]
    kinds = {kind for _, _, _, accepts in routes for kind in accepts.kinds}
    ordered = sorted(kinds, key=kind_of)
    _, schemas = models_json_schema([(kind, "validation") for kind in ordered], ref_template=_REF)
    models = schemas.get("$defs", {})
    names = {kind.__name__ for kind in kinds}
    paths: dict[str, Any] = {"/writes/{receipt}": _outcome_path()}
    for method, path, summary, accepts in routes:
        operation = _batch(accepts, models) if accepts.many else _write(accepts, models)
        paths.setdefault(path, {})[method] = {"summary": summary, **operation}
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version},
        "security": [{"token": []}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
            "schemas": response_schemas() | {name: model for name, model in models.items() if name not in names},
        },
    }


def _routes(api: HttpApi) -> Iterator[tuple[str, str, str, _Accepts]]:
    """Yield method, path, summary and accepted intents of each route that emits."""
    for route in api.registered_routes:
        with _recording(api):
            try:
                route.func(**dict.fromkeys(route.rule.groupindex, ""))
            except _Accepts as accepts:
                summary = (route.func.__doc__ or "").strip().partition("\n")[0]
                yield route.method.lower(), route.openapi_path, summary, accepts


@contextmanager
def _recording(api: HttpApi) -> Iterator[None]:
    """Replace `intent` and `batch` of an API: they raise what a handler accepts, and read no request."""

    def intent(kind: type[WriteIntent], **path: str) -> None:
        raise _Accepts((kind,), tuple(path), many=False)

    def batch(*kinds: type[WriteIntent]) -> None:
        raise _Accepts(kinds, (), many=True)

    vars(api).update(intent=intent, batch=batch)
    try:
        yield
    finally:
        del vars(api)["intent"], vars(api)["batch"]


def _write(accepts: _Accepts, models: Mapping[str, Any]) -> dict[str, Any]:
    (kind,) = accepts.kinds
    model = models[kind.__name__]
    properties = model.get("properties", {})
    path = [{"name": name, "in": "path", "required": True, "schema": properties[name]} for name in accepts.path]
    return {
        "operationId": kind_of(kind),
        "parameters": [*path, *_KEY_AND_PREFERENCE],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": _without(model, accepts.path)}},
        },
        "responses": {"202": ACCEPTED} | problem_responses(WRITE),
    }


def _without(model: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Return a schema without the fields that the path gives."""
    kept = {name: schema for name, schema in model.get("properties", {}).items() if name not in set(names)}
    required = [name for name in model.get("required", []) if name in kept]
    return {**model, "properties": kept, "required": required}


def _batch(accepts: _Accepts, models: Mapping[str, Any]) -> dict[str, Any]:
    item = {"oneOf": [_item(kind_of(kind), models[kind.__name__]) for kind in accepts.kinds]}
    return {
        "operationId": "batch",
        "parameters": _KEY_AND_PREFERENCE,
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": {"type": "array", "items": item, "minItems": 1}},
                "application/x-ndjson": {"schema": {"type": "string", "description": "One item per line."}},
            },
        },
        "responses": {
            "202": batch_response("The queue has acknowledged every item."),
            "207": batch_response("The queue has acknowledged some items only."),
        }
        | problem_responses(BATCH),
    }


def _item(kind: str, data: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            "type": {"const": kind},
            "data": data,
            "idempotencyKey": _KEY,
        },
        "required": ["type", "data"],
        "additionalProperties": False,
    }


def _outcome_path() -> dict[str, Any]:
    """Describe the path of an outcome, which the answer to every accepted write names."""
    parameters = [
        {"name": "receipt", "in": "path", "required": True, "schema": {"type": "string"}},
        {"name": "Prefer", "in": "header", "schema": {"type": "string"}, "example": "wait=2"},
        {"name": "If-None-Match", "in": "header", "schema": {"type": "string"}},
    ]
    responses = {"200": FOUND, "304": NOT_MODIFIED} | problem_responses(OUTCOME)
    return {
        "get": {
            "summary": "Return the outcome of a write.",
            "operationId": "outcome",
            "parameters": parameters,
            "responses": responses,
        }
    }


_KEY_PATTERN: Final = f'^("{KEY_PATTERN}"|(?! ){KEY_PATTERN}(?<! ))$'
_KEY: Final = {"type": ["string", "null"], "pattern": f"^{KEY_PATTERN}$"}
_KEY_AND_PREFERENCE: Final = [
    {"name": "Idempotency-Key", "in": "header", "schema": {"type": "string", "pattern": _KEY_PATTERN}},
    {"name": "Prefer", "in": "header", "schema": {"type": "string"}, "example": "respond-async"},
]


def text_of(targets: Iterable[str], *, title: str, version: str) -> str:
    """Return the text of the document that describes APIs.

    Args:
        targets: the APIs, each as `module:attribute`.
        title: the service's name.
        version: its version.
    """
    partitioned = [target.partition(":") for target in targets]
    apis = [getattr(import_module(module), attribute or "api") for module, _, attribute in partitioned]
    return json.dumps(describe(apis, title=title, version=version), indent=2) + "\n"


def main() -> None:
    """Write the document for the APIs that the command line names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("apis", nargs="+", metavar="MODULE:ATTRIBUTE", help="an HttpApi that can be imported here")
    parser.add_argument("--title", required=True, help="the service's name")
    parser.add_argument("--version", default="1", help="the service's version")
    given = parser.parse_args()
    sys.path.insert(0, str(Path.cwd()))
    sys.stdout.write(text_of(given.apis, title=given.title, version=given.version))


if __name__ == "__main__":
    main()
