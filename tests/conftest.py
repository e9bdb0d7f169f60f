"""What holds for all tests."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator

import pytest


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
