"""How fast a finished run is brought into an offline W&B run, beside a script that logs the same rows to W&B.

    python benchmarks/sinks_wandb.py [--steps 5000] [--metrics 10] [--pairs 3]

Both sides end when W&B's file is whole. Prints rows per second and the ratio, which is to be 0.8 at least.
Needs the extra [wandb].
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path


def rows(steps: int, metrics: int) -> Iterator[dict[str, float]]:
    for step in range(steps):
        yield {f"train/metric_{i}": 1.0 / (step + i + 1) for i in range(metrics)}


def ours(folder: Path, steps: int, metrics: int) -> float:
    """Seconds that a delivery takes from the journal to the end."""
    from etm_lightning import Run
    from etm_lightning.track.shipping.delivery import Delivery

    with Run("bench", save_dir=folder, shipper=False) as run:
        for step, values in enumerate(rows(steps, metrics)):
            run.log(values, step=step)
    _warm(folder)
    began = time.perf_counter()
    delivery = Delivery(run.folder, "wandb", {"sink": "wandb"})
    delivery.advance()
    delivery.close()
    seconds = time.perf_counter() - began
    assert delivery.delivered >= steps, delivery.error
    return seconds


def theirs(folder: Path, steps: int, metrics: int) -> float:
    """Seconds that a loop over `run.log` takes."""
    import wandb

    _warm(folder)
    began = time.perf_counter()
    settings = wandb.Settings(silent=True, console="off", x_disable_stats=True, x_disable_meta=True)
    run = wandb.init(project="bench", dir=str(folder), settings=settings)
    for step, values in enumerate(rows(steps, metrics)):
        run.log({**values, "trainer/global_step": step})
    run.finish()
    return time.perf_counter() - began


def _warm(folder: Path) -> None:
    """Import W&B and start its service, which neither side is to be charged with."""
    import wandb

    wandb.init(project="warm", dir=str(folder), settings=wandb.Settings(silent=True, console="off")).finish()


def measured(side: str, steps: int, metrics: int) -> float:
    """Seconds of one side in a new process."""
    command = [sys.executable, __file__, "--one", side, "--steps", str(steps), "--metrics", str(metrics)]
    environment = {**os.environ, "WANDB_MODE": "offline", "WANDB_SILENT": "true"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    return float(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """Run pairs, print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--metrics", type=int, default=10)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--one", choices=["ours", "theirs"], help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        side = {"ours": ours, "theirs": theirs}[given.one]
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            print(json.dumps(side(Path(folder), given.steps, given.metrics)))
        return
    sides = ("ours", "theirs")
    pairs = [[measured(side, given.steps, given.metrics) for side in sides] for _ in range(given.pairs)]
    sink, loop = (given.steps / statistics.median(column) for column in zip(*pairs, strict=True))
    ratios = [theirs / ours for ours, theirs in pairs]
    print(f"{given.steps} rows of {given.metrics} values, median of {given.pairs} pairs")
    print(f"sink {sink:,.0f} rows/s, run.log {loop:,.0f} rows/s, ratio {statistics.median(ratios):.2f}")
    print("of each pair: " + " ".join(f"{ratio:.2f}" for ratio in ratios))


if __name__ == "__main__":
    main()
