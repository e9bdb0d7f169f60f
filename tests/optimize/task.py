"""A script that knows nothing of us: any Hydra application, whose task does what its config says."""

from __future__ import annotations

import os
import time
from pathlib import Path

import hydra
from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig

ConfigStore.instance().store(
    "task",
    {
        "x": 0.0,
        "y": 0.0,
        "n": 0,
        "kind": "fine",
        "pause": 0.0,
        "meet": 0,
        "seed": None,
        "fold": None,
        "folds": None,
        "defaults": [
            "_self_",
            {"size": "narrow"},
            {"override hydra/sweeper": "etm"},
            {"override hydra/launcher": "etm_local"},
        ],
    },
)
ConfigStore.instance().store("wide", {"y": 7.0}, group="size", package="_global_")
ConfigStore.instance().store("narrow", {"y": 1.0}, group="size", package="_global_")


@hydra.main(version_base="1.3", config_path=None, config_name="task")
def main(cfg: DictConfig) -> object:
    with Path("tried.txt").open("a") as file:
        file.write(f"{cfg.x:g} {cfg.y:g} {os.getpid()} {cfg.seed} {cfg.fold}\n")
    time.sleep(cfg.pause)
    deadline = time.monotonic() + 60
    while len(Path("tried.txt").read_text().splitlines()) < cfg.meet and time.monotonic() < deadline:
        time.sleep(0.01)
    first = not Path(f"seen-{cfg.kind}").exists()
    Path(f"seen-{cfg.kind}").touch()
    if cfg.kind == "dies" or (cfg.kind == "dies once" and first):
        os._exit(9)
    while cfg.kind == "waits" and not Path("go").exists():
        time.sleep(0.01)
    if cfg.kind == "fails":
        raise RuntimeError("planted failure")
    if cfg.kind == "memory":
        raise MemoryError("CUDA out of memory")
    if cfg.kind == "hangs":
        time.sleep(1000)
    if cfg.kind == "fails on seed 2" and cfg.seed == 2:
        raise RuntimeError("planted failure")
    if cfg.kind == "trade":
        return {"loss": cfg.x, "size": cfg.y, "other": 1}
    if cfg.kind == "several":
        return {"objective": cfg.x, "other": 1}
    with Path("done.txt").open("a") as file:
        file.write(f"{cfg.x:g} {cfg.y:g}\n")
    chance = 0.1 * (cfg.seed or 0) + (cfg.fold or 0)
    luck = 10 if cfg.kind == "lucky" and cfg.x == 3 and (cfg.seed or 0) > 1 else 0
    return float("nan") if cfg.kind == "odd" else (cfg.x - 3) ** 2 + cfg.y + chance + luck


if __name__ == "__main__":
    main()
