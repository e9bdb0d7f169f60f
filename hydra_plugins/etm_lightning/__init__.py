"""What Hydra looks for here: our configs on its search path, our sweeper and our launchers.

Hydra imports this file at every start, so what it needs is loaded where it is used.
"""

from __future__ import annotations

import sys
from typing import Any

from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException
from hydra.plugins.search_path_plugin import SearchPathPlugin
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from etm_lightning.design.config import LauncherConfig, RayConfig, SlurmConfig, SweeperConfig


class Configs(SearchPathPlugin):
    """Puts our configs at the end of Hydra's search path, so that `experiment=bbc` works in any project."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        from etm_lightning.execute.conf import conf_folder

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
        loaded = list(sys.modules)  # before ours, most of which no trial needs
        from etm_lightning.optimize.search import sweep

        assert self._config is not None
        assert self._context is not None
        typed = [f"{name}={value}" for name, value in self._params.items()]
        return sweep(self._context, self._config, [*typed, *arguments], self._search, loaded)


class EtmLocal(BasicLauncher):
    """``hydra/launcher=etm_local``: trials are processes on this machine.

    Under another sweeper than ours it is Hydra's basic launcher. Settings: `design.config.LauncherConfig`.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__()


class _Elsewhere(BasicLauncher):
    """A launcher for our sweeper only."""

    def launch(self, job_overrides: Any, initial_job_idx: int) -> Any:
        name = self.config.hydra.runtime.choices["hydra/launcher"] if self.config else type(self).__name__
        raise HydraException(
            f"`hydra/launcher={name}` needs hydra/sweeper=etm; with Hydra's sweeper use one of its launchers"
        )


class EtmSlurm(_Elsewhere):
    """``hydra/launcher=etm_slurm``: trials are jobs of SLURM. Settings: `design.config.SlurmConfig`."""

    def __init__(self, **settings: Any) -> None:
        super().__init__()


class EtmRay(_Elsewhere):
    """``hydra/launcher=etm_ray``: trials are tasks of Ray. Settings: `design.config.RayConfig`."""

    def __init__(self, **settings: Any) -> None:
        super().__init__()


for group, name, node in (
    ("hydra/sweeper", "etm", SweeperConfig),
    ("hydra/launcher", "etm_local", LauncherConfig),
    ("hydra/launcher", "etm_slurm", SlurmConfig),
    ("hydra/launcher", "etm_ray", RayConfig),
):
    ConfigStore.instance().store(group=group, name=name, node=node, provider="etm_lightning")
