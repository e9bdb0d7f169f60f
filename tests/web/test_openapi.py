"""What is documented is what there is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from starlette.routing import Route
from starlette.testclient import TestClient

from etm_lightning.web.parameters import ANSWERS, BODIES, QUERY
from etm_lightning.web.routes import Api
from etm_lightning.web.stores import Stores

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text()


def operations() -> set[tuple[str, str]]:
    """Method and path of every route."""
    routes = Api(Stores([])).routes()
    return {
        (method, route.path)
        for route in routes
        for method in (route.methods or set()) - {"HEAD"}
        if isinstance(route, Route)
    }


@pytest.fixture(scope="module")
def document(reader: TestClient) -> dict[str, Any]:
    found: dict[str, Any] = reader.get("/api/openapi.json").json()
    return found


def test_every_route_is_in_the_document_and_nothing_else(document: dict[str, Any]) -> None:
    told = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    assert told == operations()
    assert len(told) >= 18


def test_every_operation_says_what_it_does_takes_and_gives(document: dict[str, Any]) -> None:
    names = []
    for path, item in document["paths"].items():
        for operation in item.values():
            names.append(operation["operationId"])
            assert operation["summary"]
            assert operation["responses"]["200"]["description"]
            inside = {one["name"] for one in operation["parameters"] if one["in"] == "path"}
            assert inside == set(re.findall(r"\{(\w+)\}", path))
    assert sorted(names) == sorted(ANSWERS)
    assert set(QUERY) | set(BODIES) <= set(names)


def test_the_bodies_are_described_by_schemas_that_there_are(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert set(schemas["Question"]["properties"]) == {
        "series",
        "x",
        "from",
        "to",
        "points",
        "after",
        "within",
    }
    assert set(schemas["Change"]["properties"]) == {"name", "notes", "tags", "archived", "trashed"}
    for reference in re.findall(r"#/components/schemas/(\w+)", str(document)):
        assert reference in schemas


def test_the_page_of_the_api_has_a_row_for_every_operation() -> None:
    rows = set(re.findall(r"^\| `([A-Z]+) (/api/[^`?]*)", PAGE, re.MULTILINE))
    assert rows == operations()


def test_the_page_of_the_api_names_every_parameter_and_field() -> None:
    for method, path in operations():
        row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{method} {path}"))
        name = next(route.name for route in Api(Stores([])).routes() if _is(route, method, path))
        for parameter in QUERY.get(name, {}):
            assert f"`{parameter}`" in row, (method, path, parameter)
        for field in BODIES[name].__struct_encode_fields__ if name in BODIES else ():
            assert f"`{field}`" in row, (method, path, field)


def _is(route: Route, method: str, path: str) -> bool:
    return route.path == path and method in (route.methods or set())
