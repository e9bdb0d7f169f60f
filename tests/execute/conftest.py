"""Configs composed as the command line composes them, with a store of the test's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig

from etm_lightning.execute.conf import conf_folder
from etm_lightning.execute.configs import register

Compose = Callable[..., DictConfig]


@pytest.fixture
def composed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Compose]:
    """A function from overrides to a config whose store is `tmp_path/store`."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("ETM_QUIET", "1")
    register()

    def make(*overrides: str) -> DictConfig:
        return compose("config", [f"paths.store={tmp_path / 'store'}", "trainer=cpu", *overrides])

    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        yield make
    GlobalHydra.instance().clear()


@pytest.fixture
def mine(composed: Compose) -> Compose:
    """The same for a model and data of the user's own, given by `_target_` alone."""
    own = (
        "data=custom",
        "model=custom",
        "data._target_=tests.execute.small.Data",
        "model._target_=tests.execute.small.Net",
        "monitor=val/loss",
        "mode=min",
        "lr=0.1",
        "max_epochs=2",
    )
    return lambda *overrides: composed(*own, *overrides)
