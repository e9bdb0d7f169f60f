"""Which launcher a config means, and where to look for what an earlier one started."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from etm_lightning.design.config import RayConfig, Search, SlurmConfig
from etm_lightning.execute import local
from etm_lightning.execute.forking import ForkServer, able
from etm_lightning.execute.launching import Job, Launcher, Slot
from etm_lightning.execute.on_local import Local
from etm_lightning.process import Process
from etm_lightning.track.gpus import usable

PLUGIN = "hydra_plugins.etm_lightning."
OURS = {f"{PLUGIN}EtmLocal": "etm_local", f"{PLUGIN}EtmSlurm": "etm_slurm", f"{PLUGIN}EtmRay": "etm_ray"}
BASIC = "hydra._internal.core_plugins.basic_launcher.BasicLauncher"
QUEUED = 8
"""Jobs that a study has in SLURM's queue at one time, unless told."""


def check(node: Mapping[str, Any], chosen: str) -> None:
    """Refuse a launcher that cannot run trials.

    Args:
        node: `hydra.launcher`.
        chosen: its name on the command line.

    Raises:
        ValueError: naming those that can.
    """
    if node.get("_target_") not in (*OURS, BASIC):
        raise ValueError(
            f"`hydra/launcher` must be {', '.join(OURS.values())} with hydra/sweeper=etm but got {chosen!r}; "
            f"with hydra/sweeper=basic it works as Hydra has it"
        )


def launcher(
    node: Mapping[str, Any], search: Search, accelerated: bool, modules: Sequence[str] = ()
) -> Launcher:
    """The launcher that a config means.

    Args:
        node: `hydra.launcher`.
        search: how many trials at a time, and on how many GPUs.
        accelerated: whether a trial may want a GPU.
        modules: what a trial will import, as far as that is known.

    Raises:
        ImportError: without what the launcher needs.
        ValueError: if its settings cannot be.
    """
    kind = OURS.get(str(node.get("_target_")), "etm_local")
    given = {key: value for key, value in node.items() if key != "_target_"}
    if kind == "etm_ray":
        from etm_lightning.execute.on_ray import Ray

        share = search.gpus_per_trial / search.trials_per_gpu if accelerated else 0
        return Ray(RayConfig(**given), search.n_jobs, share)
    if kind == "etm_slurm":
        from etm_lightning.execute.on_slurm import Slurm

        config = SlurmConfig(**given)
        here = _slots(search, accelerated) if config.cluster == "local" else None
        return Slurm(config, here or [Slot()] * (search.n_jobs or QUEUED))
    forks = given.get("fork_server")
    if forks and not able():
        raise ValueError("`hydra.launcher.fork_server` must be null or false here: it needs Linux")
    server = ForkServer(modules) if able() and forks is not False else None
    return Local(_slots(search, accelerated), server)


def left_behind(handle: str, process: Process | None, place: Path, attempt: int) -> Job:
    """The job of an attempt that an earlier controller started, wherever that was."""
    kind = handle.partition(" ")[0]
    if kind == "ray":
        from etm_lightning.execute import on_ray

        return on_ray.left_behind(handle, place, attempt)
    if kind:
        from etm_lightning.execute import on_slurm

        return on_slurm.left_behind(handle, place, attempt)
    return local.left_behind(process, place)


def _slots(search: Search, accelerated: bool) -> list[Slot]:
    found = usable() if accelerated else []
    return local.slots(search.n_jobs, found, search.gpus_per_trial, search.trials_per_gpu)
