"""Builds the dashboard's front end into wheels, sdists and editable installs; without Node they work too."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

# where the pip package has no wheel, asking for it would make the whole installation fail
HAS_NODE = (
    "(sys_platform == 'linux' and platform_machine in 'x86_64 aarch64')"
    " or (sys_platform == 'darwin' and platform_machine in 'x86_64 arm64')"
    " or (sys_platform == 'win32' and platform_machine in 'AMD64 ARM64')"
)


class FrontEnd(BuildHookInterface):  # type: ignore[type-arg]
    """Runs `etm_lightning/web/build.py`, and lets the installation go on when it cannot."""

    def dependencies(self) -> list[str]:
        building = self._building()
        if building.up_to_date():
            return []
        try:
            building.find_node()
        except building.BuildError:
            return [f"{building.NODE_PACKAGE}; {HAS_NODE}"]
        return []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        building = self._building()
        try:
            if building.build():
                self.app.display_info("The front end of the dashboard was built.")
        except building.BuildError as error:
            self.app.display_warning(
                f"The dashboard will have no pages, everything else works: {error}\n"
                "Later, `python -m etm_lightning.web.build` in a clone builds them."
            )

    def _building(self) -> ModuleType:
        path = Path(self.root, "etm_lightning", "web", "build.py")
        spec = importlib.util.spec_from_file_location("etm_build_front_end", path)
        if spec is None or spec.loader is None:
            raise ImportError(f"{path} cannot be read")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
