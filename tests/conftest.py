"""What holds for all tests."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator

import pytest

from tests import warm


def pytest_configure(config: pytest.Config) -> None:
    """All workers of xdist ask one server for warm pythons; without xdist it is begun when one is wanted."""
    if getattr(config.option, "numprocesses", None):
        warm.begin()



@pytest.fixture(autouse=True, scope="session")
def _catalogues_of_their_own() -> Iterator[None]:
    """The tests' stores leave no catalogue in the cache of whoever runs them."""
    with tempfile.TemporaryDirectory() as folder:
        before = os.environ.get("ETM_CATALOGUE")
        os.environ["ETM_CATALOGUE"] = folder
        yield
        if before is None:
            del os.environ["ETM_CATALOGUE"]
        else:
            os.environ["ETM_CATALOGUE"] = before


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests go first: at the end, no process of xdist waits for a long test of another."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)
