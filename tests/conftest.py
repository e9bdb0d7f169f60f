"""What holds for all tests."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from etm_lightning.native import lines as native
from etm_lightning.track.run import Run
from etm_lightning.track.shipping import keeper
from tests import warm

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


settings.register_profile("suite", deadline=None, derandomize=True)  # the same on a slow machine, and again
settings.load_profile("suite")


def pytest_configure(config: pytest.Config) -> None:
    """Workers of xdist begin as warm pythons, of one server for all; without xdist it begins when wanted."""
    if getattr(config.option, "numprocesses", None):
        config.option.tx = [f"popen//python={warm.worker()}"] * len(config.option.tx)


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


@pytest.fixture(autouse=True)
def _companions_go_with_their_test() -> Iterator[None]:
    """A run that a test leaves open gets no companion, or loses it: each would work on for minutes."""
    before = set(keeper._kept)
    yield
    for run in keeper._kept - before:
        keeper._kept.discard(run)
        if isinstance(run, Run) and run._companion is not None and run._companion.pid is not None:
            run._companion.ask_to_finish()


@pytest.fixture(scope="session")
def bare_chromium() -> Iterator[Browser]:
    """The one browser of a process, which can hold Playwright only once."""
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM)
        yield browser
        browser.close()


@pytest.fixture(scope="module", params=["compiled", "python"])
def _both_ways(request: pytest.FixtureRequest) -> Iterator[None]:
    """Values are taken, and their lines written and read, by the compiled way, and then by Python."""
    if request.param == "compiled":
        if native.Appender is None:
            pytest.skip(f"nothing is compiled: {native.WHY_NOT}")
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        for name in ("Appender", "rows", "numbers", "add"):
            patch.setattr(native, name, None)
        yield


LONGEST = (
    *("execute/test_command_line", "optimize/test_search", "optimize/test_train_search"),
    *("execute/test_resume", "optimize/test_repeats", "faults/test_simulation", "optimize/test_launchers"),
    *("execute/test_configs", "contracts/test_sinks", "optimize/test_recipes", "test_first_hour"),
    *("faults/test_delivery_under_faults", "store/test_series", "browser/test_runs"),
)
"""The files that take longest, in that order; behind them come those with slow tests."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files go first: at the end, no process of xdist waits for a long one of another."""
    tests = Path(__file__).parent
    places = {tests / f"{name}.py": place for place, name in enumerate(LONGEST)}
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: (places.get(item.path, len(places)), item.path not in slow))
