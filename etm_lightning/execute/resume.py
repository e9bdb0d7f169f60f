"""Going on with a run that did not finish."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from etm_lightning.attempts import facts, find_writers
from etm_lightning.execute.build import InputError
from etm_lightning.layout import RunFolder
from etm_lightning.params import incidental, run_fingerprint
from etm_lightning.records import Checkpoint, Saved
from etm_lightning.store.run import StoredRun
from etm_lightning.store.store import Store
from etm_lightning.track.plain import plain
from etm_lightning.track.slurm import slurm_job

UNFINISHED = ("crashed", "failed", "interrupted", "preempted")


def settings(cfg: DictConfig) -> dict[str, Any]:
    """A config as plain data, resolved, as it is recorded with the run."""
    return {
        str(key): plain(
            OmegaConf.to_container(cfg[key], resolve=True) if OmegaConf.is_config(cfg[key]) else cfg[key]
        )
        for key in cfg
        if key not in ("hydra", "paths", "search")
    }


def run_to_go_on_with(cfg: DictConfig) -> RunFolder | None:
    """The run that a command goes on with; None begins a new one.

    Raises:
        InputError: if `resume` names a run that this config cannot go on with.
    """
    back = requeued(cfg)
    if back is not None:
        return back
    if cfg.ckpt_path:
        return origin(cfg)
    if cfg.resume == "auto":
        return unfinished(cfg)
    return None if cfg.resume == "never" else named(cfg)


def requeued(cfg: DictConfig) -> RunFolder | None:
    """The run of this config that this very SLURM job trained before it was requeued; None if it was not."""
    job, restarts = slurm_job()
    if not restarts:
        return None
    for run in Store(cfg.paths.store).runs(project=cfg.project):
        known = (run.info("start").get("slurm") or {}).get("job_id")
        # on a host that is gone nobody ended the run: the scheduler says that it does not run any more
        open = run.status in (*UNFINISHED, "running") and not run.evaluates and not _alive(run.folder)
        if str(known) == job and open and _same(cfg, run):
            return run.folder
    return None


def named(cfg: DictConfig) -> RunFolder:
    """The run whose id `resume` is.

    Raises:
        InputError: if there is none, if it is running, or if the settings differ.
    """
    known = {run.id: run for run in Store(cfg.paths.store).runs(project=cfg.project)}
    run = known.get(str(cfg.resume))
    if run is None:
        where = f"in project {cfg.project!r} of {cfg.paths.store}"
        raise InputError(
            f"`resume` must be auto or never or the id of a run {where} but got {cfg.resume!r}. "
            "`etm resume RUN` finds a run by a part of its id."
        )
    if run.status == "running":
        raise InputError(f"`resume`: run {run.id} is still running. Wait for its end, or end it.")
    if not _same(cfg, run):
        raise InputError(
            f"`resume`: the settings of run {run.id} differ from these. Only length, machine and place may; "
            "for other settings begin a new run, from its checkpoint with ckpt_path=…"
        )
    return run.folder


def _alive(folder: RunFolder) -> bool:
    return any(writer.header.role == "train" and writer.alive() for writer in find_writers(folder.journal))


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
        if key in ("seed", "fold", "max_epochs") or not (key == "hydra" or incidental(str(key)))
    ]
    return run_fingerprint(settings(OmegaConf.masked_copy(cfg, keys))) == run_fingerprint(run.params)


def last_checkpoint(run: StoredRun) -> Path | None:
    """The newest checkpoint of a run that is still there, and that no other one has overwritten."""
    owners = {
        fact.item.path: fact.item.id
        for fact in facts(run.folder.journal, superseded=True)
        if isinstance(fact.item, Checkpoint | Saved)
    }
    for checkpoint in reversed(run.checkpoints):
        path = run.folder.path / checkpoint.path
        if checkpoint.path and owners[checkpoint.path] == checkpoint.id and path.is_file():
            return path
    return None


def going_on(run: RunFolder) -> dict[str, str]:
    """What to set in a config so that a new process goes on with a run; nothing if the run never began."""
    if not run.identity_file.exists():
        return {}
    checkpoint = last_checkpoint(StoredRun(run))
    return {"ckpt_path": str(checkpoint)} if checkpoint else {"resume": run.path.name}
