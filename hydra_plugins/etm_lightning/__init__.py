"""What Hydra looks for here: our configs on its search path, our sweeper and our launcher.

Hydra imports this file at every start, so what it needs is loaded where it is used.
"""

from __future__ import annotations

from typing import Any

from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.plugins.search_path_plugin import SearchPathPlugin
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from etm_lightning.design.config import LauncherConfig, SweeperConfig


class Configs(SearchPathPlugin):
    """Puts our configs at the end of Hydra's search path, so that `experiment=bbc` works in any project."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        from etm_lightning.execute.configs import conf_folder

        search_path.append("etm_lightning", f"file://{conf_folder()}")


class EtmSweeper(Sweeper):
    """``hydra/sweeper=etm``: every trial a process of its own, resumable, with any sampler of Optuna's.

    Args:
        params: what to sweep, by name, besides what the command line says.
        search: fields of `design.config.Search`, for scripts whose config has no `search` of ours.
    """

    def __init__(self, params: dict[str, str] | None = None, **search: Any) -> None:
        self._params, self._search = dict(params or {}), search
        self._config: DictConfig | None = None
        self._context: HydraContext | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self._config, self._context = config, hydra_context

    def sweep(self, arguments: list[str]) -> Any:
        from etm_lightning.optimize.search import sweep

        assert self._config is not None
        assert self._context is not None
        typed = [f"{name}={value}" for name, value in self._params.items()]
        return sweep(self._context, self._config, [*typed, *arguments], self._search)


class EtmLocal(BasicLauncher):
    """``hydra/launcher=etm_local``: trials are processes on this machine.

    Under another sweeper than ours it is Hydra's basic launcher.
    """


for group, name, node in (
    ("hydra/sweeper", "etm", SweeperConfig),
    ("hydra/launcher", "etm_local", LauncherConfig),
):
    ConfigStore.instance().store(group=group, name=name, node=node, provider="etm_lightning")
