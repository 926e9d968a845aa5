"""The description of an API as an OpenAPI 3.1 document, made of its routes and intents before it is packaged.

    python -m penstock.producer.http.openapi --title shop --version 1 producer.orders:api producer.stock:api

writes the document to stdout. A handler is asked which intent it takes by being called up to the point where it
asks for one (`api.intent` or `api.batch`); nothing is emitted.
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
    QUESTION,
    WRITE,
    parts,
    problems,
    results,
)
from penstock.producer.http.requests import KEY_PATTERN

_REF: Final = "#/components/schemas/{model}"


class _Asked(BaseException):
    """What a handler asked for; not an Exception, so that no handler takes it for a fault."""

    def __init__(self, kinds: tuple[type[WriteIntent], ...], path: tuple[str, ...], *, many: bool) -> None:
        super().__init__()
        self.kinds = kinds
        self.path = path
        self.many = many


def describe(apis: Iterable[HttpApi], *, title: str, version: str) -> dict[str, Any]:
    """Describe APIs as one OpenAPI 3.1 document.

    Args:
        apis: whose routes emit intents; any other route of theirs is left out.
        title: the service's name.
        version: its version.
    """
    routes = [route for api in apis for route in _routes(api)]
    kinds = {kind for _, _, _, asked in routes for kind in asked.kinds}
    ordered = sorted(kinds, key=kind_of)
    _, schemas = models_json_schema([(kind, "validation") for kind in ordered], ref_template=_REF)
    models = schemas.get("$defs", {})
    paths: dict[str, Any] = {"/writes/{receipt}": _question()}
    for method, path, summary, asked in routes:
        operation = _batch(asked, models) if asked.many else _write(asked, models)
        paths.setdefault(path, {})[method] = {"summary": summary, **operation}
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version},
        "security": [{"token": []}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
            "schemas": parts() | {name: model for name, model in models.items() if name not in _names(ordered)},
        },
    }


def _names(kinds: Iterable[type[WriteIntent]]) -> set[str]:
    return {kind.__name__ for kind in kinds}


def _routes(api: HttpApi) -> Iterator[tuple[str, str, str, _Asked]]:
    """Yield method, path, summary and what is asked for, of each route that emits."""
    for route in api._static_routes + api._dynamic_routes:
        with _asking(api):
            try:
                route.func(**dict.fromkeys(route.rule.groupindex, ""))
            except _Asked as asked:
                summary = (route.func.__doc__ or "").strip().partition("\n")[0]
                yield route.method.lower(), route.openapi_path, summary, asked


@contextmanager
def _asking(api: HttpApi) -> Iterator[None]:
    """Have an API's `intent` and `batch` tell what they are asked for, in place of reading a request."""

    def one(kind: type[WriteIntent], **path: str) -> None:
        raise _Asked((kind,), tuple(path), many=False)

    def many(*kinds: type[WriteIntent]) -> None:
        raise _Asked(kinds, (), many=True)

    vars(api).update(intent=one, batch=many)
    try:
        yield
    finally:
        del vars(api)["intent"], vars(api)["batch"]


def _write(asked: _Asked, models: Mapping[str, Any]) -> dict[str, Any]:
    (kind,) = asked.kinds
    model = models[kind.__name__]
    properties = model.get("properties", {})
    path = [{"name": name, "in": "path", "required": True, "schema": properties[name]} for name in asked.path]
    return {
        "operationId": kind_of(kind),
        "parameters": [*path, *_KEY_AND_PREFERENCE],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": _without(model, asked.path)}},
        },
        "responses": {"202": ACCEPTED} | problems(WRITE),
    }


def _without(model: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Leave out of a schema what the path gives."""
    left = {name: schema for name, schema in model.get("properties", {}).items() if name not in set(names)}
    required = [name for name in model.get("required", []) if name in left]
    return {**model, "properties": left, "required": required}


def _batch(asked: _Asked, models: Mapping[str, Any]) -> dict[str, Any]:
    item = {"oneOf": [_item(kind_of(kind), models[kind.__name__]) for kind in asked.kinds]}
    return {
        "operationId": "batch",
        "parameters": _KEY_AND_PREFERENCE,
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": {"type": "array", "items": item, "minItems": 1}},
                "application/x-ndjson": {"schema": {"type": "string", "description": "One item to a line."}},
            },
        },
        "responses": {"202": results("Each item is kept."), "207": results("Some items are not kept.")}
        | problems(BATCH),
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


def _question() -> dict[str, Any]:
    """Describe what is asked at the place that every accepted write is answered with."""
    parameters = [
        {"name": "receipt", "in": "path", "required": True, "schema": {"type": "string"}},
        {"name": "Prefer", "in": "header", "schema": {"type": "string"}, "example": "wait=2"},
        {"name": "If-None-Match", "in": "header", "schema": {"type": "string"}},
    ]
    responses = {"200": FOUND, "304": NOT_MODIFIED} | problems(QUESTION)
    return {
        "get": {
            "summary": "Say what has become of a write.",
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
    found = [target.partition(":") for target in targets]
    apis = [getattr(import_module(module), attribute or "api") for module, _, attribute in found]
    return json.dumps(describe(apis, title=title, version=version), indent=2) + "\n"


def main() -> None:
    """Write the document that the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("apis", nargs="+", metavar="MODULE:ATTRIBUTE", help="an HttpApi, seen from here")
    parser.add_argument("--title", required=True, help="the service's name")
    parser.add_argument("--version", default="1", help="the service's version")
    given = parser.parse_args()
    sys.path.insert(0, str(Path.cwd()))
    sys.stdout.write(text_of(given.apis, title=given.title, version=given.version))


if __name__ == "__main__":
    main()
