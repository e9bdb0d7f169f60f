"""The OpenAPI document, made of the route table."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from starlette.routing import Route

import etm_lightning


def document(routes: Sequence[Route]) -> dict[str, Any]:
    """What the API takes and gives."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        for method in sorted((route.methods or set()) - {"HEAD"}):
            paths.setdefault(route.path, {})[method.lower()] = {
                "summary": inspect.getdoc(route.endpoint),
                "operationId": route.name,
            }
    return {
        "openapi": "3.1.0",
        "info": {"title": "etm", "version": etm_lightning.__version__},
        "paths": paths,
    }
