from __future__ import annotations

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.share.report_sweep import sweep
from tests.web.ground import application, client


@pytest.fixture(scope="session")
def sweep_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that tests only read."""
    return sweep(tmp_path_factory.mktemp("web") / "etm_runs")


@pytest.fixture(scope="session")
def reader(sweep_store: Path) -> TestClient:
    return client(application(sweep_store))
