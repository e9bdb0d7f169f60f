"""Builds the dashboard's front end and the journal's compiled part; without Node or a compiler all works."""

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


class Parts(BuildHookInterface):  # type: ignore[type-arg]
    """Lets the installation go on when a part of it cannot be built."""

    def dependencies(self) -> list[str]:
        pages = self._module("web/build.py")
        if pages.up_to_date():
            return []
        try:
            pages.find_node()
        except pages.BuildError:
            return [f"{pages.NODE_PACKAGE}; {HAS_NODE}"]
        return []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        self._build("web", "dashboard's front end", "the dashboard has no pages")
        if self.target_name != "wheel":
            return
        compiled = self._build("native", "compiled part", "Python writes and reads journals, more slowly")
        if compiled and version != "editable":
            place = f"etm_lightning/native/{self._module('native/build.py').BUILT}"
            build_data["force_include"][str(Path(self.root, place))] = place
            build_data["pure_python"] = False
            build_data["tag"] = f"cp311-abi3-{self._platform()}"

    def _platform(self) -> str:
        """The platform of this machine as wheels name it, without a promise to older Linuxes."""
        from packaging.tags import platform_tags  # which hatchling brings

        return next(name for name in platform_tags() if not name.startswith(("manylinux", "musllinux")))

    def _build(self, folder: str, name: str, without: str) -> bool:
        """Build a part in place; whether it is there."""
        building = self._module(f"{folder}/build.py")
        try:
            if building.build():
                self.app.display_info(f"The {name} was built.")
        except building.BuildError as error:
            later = f"Later, `python -m etm_lightning.{folder}.build` in a clone builds the {name}."
            self.app.display_warning(f"All works, but {without}: {error}\n{later}")
            return False
        return True

    def _module(self, place: str) -> ModuleType:
        path = Path(self.root, "etm_lightning", place)
        spec = importlib.util.spec_from_file_location(f"etm_{path.parent.name}_build", path)
        if spec is None or spec.loader is None:
            raise ImportError(f"{path} cannot be read")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
