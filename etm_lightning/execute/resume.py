"""Going on with a run that did not finish."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from etm_lightning.layout import RunFolder
from etm_lightning.params import incidental, run_fingerprint
from etm_lightning.store.run import StoredRun
from etm_lightning.store.store import Store
from etm_lightning.track.plain import plain

UNFINISHED = ("crashed", "failed", "interrupted", "preempted")


def settings(cfg: DictConfig) -> dict[str, Any]:
    """A config as plain data, resolved, as it is recorded with the run."""
    return {
        str(key): plain(
            OmegaConf.to_container(cfg[key], resolve=True) if OmegaConf.is_config(cfg[key]) else cfg[key]
        )
        for key in cfg
        if key not in ("hydra", "paths")
    }


def unfinished(cfg: DictConfig) -> RunFolder | None:
    """The newest unfinished run of this config in its project, None if there is none.

    Unfinished is what crashed, failed, was interrupted or preempted, and does not run now. How long to
    train, the hardware and where things go may differ.
    """
    for run in Store(cfg.paths.store).runs(project=cfg.project):
        if run.status in UNFINISHED and not run.evaluates and _same(cfg, run):
            return run.folder
    return None


def origin(cfg: DictConfig) -> RunFolder | None:
    """The run that `ckpt_path` belongs to, if this config could be its next attempt; None makes a fork."""
    for folder in Path(cfg.ckpt_path).absolute().parents:
        if (folder / "run.json").exists():
            run = StoredRun(RunFolder(folder))
            return run.folder if run.project == cfg.project and _same(cfg, run) else None
    return None


def _same(cfg: DictConfig, run: StoredRun) -> bool:
    """Whether a config could be an attempt of a run: equal but for length, machine and place."""
    keys = [
        str(key)
        for key in cfg
        if key in ("seed", "max_epochs") or not (key == "hydra" or incidental(str(key)))
    ]
    return run_fingerprint(settings(OmegaConf.masked_copy(cfg, keys))) == run_fingerprint(run.params)


def last_checkpoint(run: StoredRun) -> Path | None:
    """The newest checkpoint of a run that is still there."""
    there = [path for checkpoint in run.checkpoints if (path := run.folder.path / checkpoint.path).is_file()]
    return there[-1] if there else None
