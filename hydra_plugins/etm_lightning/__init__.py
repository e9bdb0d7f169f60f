"""Puts our configs at the end of Hydra's search path, so that `experiment=bbc` works in any project."""

from __future__ import annotations

from hydra.core.config_search_path import ConfigSearchPath
from hydra.plugins.search_path_plugin import SearchPathPlugin


class Configs(SearchPathPlugin):
    """Hydra finds this class by its place in `hydra_plugins`."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        from etm_lightning.execute.configs import conf_folder

        search_path.append("etm_lightning", f"file://{conf_folder()}")
