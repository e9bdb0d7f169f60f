"""Twenty trials of uneven length on two slots: ours beside Ray Tune and Hydra's own sweeper.

python benchmarks/search.py --only race

Each side has the same function, which sleeps: once in a script that imports Hydra only, once with the imports
of a training with Lightning. What is not installed here (`ray[tune]`, `hydra-joblib-launcher`) is left out.
"""

from __future__ import annotations

import importlib.util
import os
import random
import resource
import subprocess
import sys
import time
from pathlib import Path

APP = """
import time
import hydra
from hydra.core.config_store import ConfigStore
from work import work
ConfigStore.instance().store("cfg", {"seconds": 1.0})
@hydra.main(version_base="1.3", config_path=None, config_name="cfg")
def main(cfg):
    return work(cfg.seconds)
main()
"""
TUNE = """
import json, sys
import ray
from ray import tune
from work import work
ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR",
         runtime_env={"env_vars": {"PYTHONPATH": sys.path[0]}}, object_store_memory=80 * 2**20)
def trial(config):
    tune.report({"loss": work(config["seconds"])})
space = {"seconds": tune.grid_search(json.loads(sys.argv[1]))}
run = tune.RunConfig(storage_path=sys.argv[2], verbose=0)
found = tune.Tuner(tune.with_resources(trial, {"cpu": 1}), param_space=space, run_config=run).fit()
assert len(found) == 20 and not found.errors
"""
LIGHT = """
import time
def work(seconds):
    time.sleep(seconds)
    return seconds
"""
LIGHTNING = "import lightning, transformers\n" + LIGHT


def race(folder: Path) -> None:
    """The wall time of each side, one after the other."""
    lengths = [round(random.Random(number).uniform(0.2, 3.0), 2) for number in range(20)]
    print(f"20 trials of {min(lengths)} to {max(lengths)} s on 2 slots: {sum(lengths) / 2:.1f} s at best")
    for name, work in (("Hydra only", LIGHT), ("imports of Lightning", LIGHTNING)):
        place = folder / name.replace(" ", "_")
        place.mkdir()
        (place / "work.py").write_text(work)
        (place / "app.py").write_text(APP)
        (place / "tune.py").write_text(TUNE)
        for side, command in _sides(lengths, place).items():
            wall, cpu = timed(place, command)
            print(f"{name:22} {side:34} {wall:6.1f} s   {cpu:6.1f} s of CPU", flush=True)


def _sides(lengths: list[float], place: Path) -> dict[str, list[str]]:
    swept = ["app.py", "-m", f"seconds={','.join(map(str, lengths))}"]
    sides = {
        "etm": [*swept, "hydra/sweeper=etm", "hydra/launcher=etm_local", "hydra.sweeper.n_jobs=2"],
        "Hydra's sweeper, one process": [*swept, "hydra/sweeper=basic"],
    }
    if importlib.util.find_spec("hydra_plugins.hydra_joblib_launcher"):
        sides["Hydra's sweeper, joblib launcher"] = [
            *(*swept, "hydra/sweeper=basic"),
            *("hydra/launcher=joblib", "hydra.launcher.n_jobs=2"),
        ]
    if importlib.util.find_spec("ray") and importlib.util.find_spec("pyarrow"):
        sides["Ray Tune"] = ["tune.py", str(lengths), str(place / "tune")]
    return sides


def timed(place: Path, command: list[str]) -> tuple[float, float]:
    """Seconds on the wall, and of CPU of all processes that were waited for."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(
        [sys.executable, *command],
        cwd=place,
        check=True,
        stdout=subprocess.DEVNULL,
        env=os.environ | {"RAY_USAGE_STATS_ENABLED": "0"},
    )
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
