"""One command that means several runs: a cross-validation, or the same with several seeds, without `-m`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from etm_lightning.execute.build import InputError
from etm_lightning.track.trial import trial_folder

SEVERAL = ("folds", "nfolds", "replicates", "seeds")
OURS = "hydra_plugins.etm_lightning.EtmSweeper"


def several(cfg: DictConfig) -> bool:
    """Whether a config asks for several runs, and this process is none of them.

    Raises:
        InputError: if a sweeper has it that knows nothing of them.
    """
    search = cfg.get("search") or {}
    asked = [name for name in SEVERAL if search.get(name)]
    if not asked or trial_folder() is not None:
        return False
    if HydraConfig.get().sweeper.get("_target_") != OURS:
        raise InputError(f"`search.{asked[0]}` needs hydra/sweeper=etm")
    return bool(HydraConfig.get().mode == RunMode.RUN)


def as_multirun(task: Callable[[DictConfig], Any]) -> Any:
    """Do what this command would do with `-m`: a study of one trial, if nothing varies."""
    known = HydraConfig.get()
    folder = Path(known.runtime.output_dir)
    overrides = [one for one in known.overrides.hydra if not one.lstrip("+").startswith("hydra.mode=")]
    with contextlib.suppress(OSError):  # Hydra made it for the run that this is not
        folder.rmdir()
    hydra = GlobalHydra.instance().hydra
    assert hydra is not None
    before, HydraConfig.instance().cfg = HydraConfig.instance().cfg, None
    try:
        return hydra.multirun(
            config_name=known.job.config_name,
            task_function=task,
            overrides=[*overrides, *known.overrides.task],
        )
    finally:
        HydraConfig.instance().cfg = before
