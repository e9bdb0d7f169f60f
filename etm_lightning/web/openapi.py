"""The OpenAPI document, made of the route table: what is not a route cannot be in it, what is one must."""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from typing import Any

import msgspec
from starlette.routing import Route

import etm_lightning
from etm_lightning.web.parameters import ANSWERS, BODIES, QUERY

BINARY = {"type": "string", "format": "binary"}
_ERRORS = {
    "400": "the request makes no sense; `at` is the column where a search is wrong",
    "401": "no token",
    "403": "another page, another host, or a change where none is allowed",
    "404": "there is no such thing",
}


def document(routes: Sequence[Route]) -> dict[str, Any]:
    """What the API takes and gives.

    Raises:
        LookupError: if a route is not described in `parameters`.
    """
    paths: dict[str, dict[str, Any]] = {}
    components: dict[str, Any] = {}
    for route in routes:
        for method in sorted((route.methods or set()) - {"HEAD"}):
            paths.setdefault(route.path, {})[method.lower()] = _operation(route, method, components)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "etm ui",
            "version": etm_lightning.__version__,
            "description": "Times are Unix seconds. Numbers that are not finite are texts: nan, inf, -inf. "
            "Whatever is not GET needs the header `X-ETM: 1`.",
        },
        "security": [{"token": []}, {"cookie": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "cookie": {"type": "apiKey", "in": "cookie", "name": "etm-…"},
            },
        },
    }


def _operation(route: Route, method: str, components: dict[str, Any]) -> dict[str, Any]:
    name = route.name
    kind, what = ANSWERS[name]
    found: dict[str, Any] = {
        "operationId": name,
        "summary": inspect.getdoc(route.endpoint),
        "parameters": [*_in_path(route.path), *_in_query(name)],
        "responses": {
            "200": {
                "description": what,
                "content": {kind: {"schema": {} if kind == "application/json" else BINARY}},
            },
            **{status: {"description": text} for status, text in _ERRORS.items()},
        },
    }
    if name in BODIES:
        found["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": _schema(BODIES[name], components)}},
        }
    return found


def _in_path(path: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"\{(\w+)\}", path)
    ]


def _in_query(name: str) -> list[dict[str, Any]]:
    return [
        {"name": one, "in": "query", "description": text, "schema": {"type": "string"}}
        for one, text in QUERY.get(name, {}).items()
    ]


def _schema(kind: type[Any], components: dict[str, Any]) -> dict[str, Any]:
    schemas, known = msgspec.json.schema_components([kind], ref_template="#/components/schemas/{name}")
    components.update(known)
    return schemas[0]
