"""What holds for all tests."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator

import pytest

from etm_lightning.native import lines as native


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


@pytest.fixture(scope="module", params=["compiled", "python"])
def _both_ways(request: pytest.FixtureRequest) -> Iterator[None]:
    """Lines of values are written and read by the compiled way, and then by Python."""
    if request.param == "compiled":
        if native.row is None:
            pytest.skip(f"nothing is compiled: {native.WHY_NOT}")
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(native, "row", None)
        patch.setattr(native, "rows", None)
        yield


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests go first: at the end, no process of xdist waits for a long test of another."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)
