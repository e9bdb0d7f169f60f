"""What `fast_log` costs a training on the CPU that logs many metrics a step, beside `self.log`.

    python benchmarks/fast_log.py [--metrics 1,10,50] [--pairs 5] [--steps 1000] [--every 1] [--clock cpu]

Each training is a process of its own, with an ETMLogger; those of a pair run one after the other, so that a
slow machine is slow for both. Values are tensors on the CPU (`tensors`), Python's numbers (`floats`), or
tensors whose epoch's mean is logged, too (`tensors+epoch`). The cost is the median step of a training that
logs less the median step of one that does not. With `--clock cpu` only what the training's thread itself
computes counts, whatever else the machine does. Needs the extra [bench].
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

KINDS = ("tensors", "floats", "tensors+epoch")
CLOCKS = {"wall": time.perf_counter, "cpu": time.thread_time}
WARM_UP = 100


def train(way: str, kind: str, steps: int, metrics: int, every: int, clock: Callable[[], float]) -> float:
    """Median seconds of a step of one training in this process."""
    import logging
    import warnings

    import lightning.pytorch as pl
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    from etm_lightning import ETMLogger, fast_log

    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    names = [f"train/metric_{i}" for i in range(metrics)]
    options = {"on_step": True, "on_epoch": kind.endswith("epoch")}

    class Line(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.line = torch.nn.Linear(32, 2)
            self.times: list[float] = []

        def training_step(self, batch: Any, index: int) -> Any:
            self.times.append(clock())
            loss = self.line(batch[0]).square().mean()
            values = dict.fromkeys(names, 0.25 if kind == "floats" else loss)
            if way == "fast_log":
                fast_log(self, values, **options)
            elif way == "self.log":
                self.log_dict(values, **options)
            return loss

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=0.01)

    model = Line()
    data = DataLoader(TensorDataset(torch.randn((steps + WARM_UP) * 4, 32)), batch_size=4)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        logger: Any = ETMLogger("bench", folder, shipper=False)
        pl.Trainer(
            accelerator="cpu",
            max_epochs=1,
            log_every_n_steps=every,
            logger=logger,
            enable_progress_bar=False,
            enable_model_summary=False,
            enable_checkpointing=False,
        ).fit(model, data)
    times = model.times[WARM_UP:]
    return statistics.median(after - before for before, after in itertools.pairwise(times))


def measured(way: str, kind: str, metrics: int, given: argparse.Namespace) -> float:
    """Median seconds of a step of one training in a new process."""
    command = [sys.executable, __file__, "--one", way, "--kind", kind, "--metrics", str(metrics)]
    command += ["--steps", str(given.steps), "--every", str(given.every), "--clock", given.clock]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    return float(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """Run pairs, print costs and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--metrics", default="1,10,50")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--every", type=int, default=1, help="log_every_n_steps")
    parser.add_argument("--clock", default="wall", choices=CLOCKS)
    parser.add_argument("--kind", default="tensors", choices=KINDS, help=argparse.SUPPRESS)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        clock = CLOCKS[given.clock]
        print(json.dumps(train(given.one, given.kind, given.steps, int(given.metrics), given.every, clock)))
        return
    print(
        f"log_every_n_steps={given.every}, {given.steps} steps,"
        f" median of {given.pairs} pairs, {given.clock} clock"
    )
    print(f"{'metrics':>7}  {'values':<14}{'step µs':>9}{'fast_log µs':>13}{'self.log µs':>13}{'ratio':>7}")
    for metrics in map(int, given.metrics.split(",")):
        for kind in KINDS:
            found = []
            for _ in range(given.pairs):
                nothing, fast, slow = (
                    measured(way, kind, metrics, given) for way in ("nothing", "fast_log", "self.log")
                )
                found.append((nothing, fast - nothing, slow - nothing))
            nothing, fast, slow = (1e6 * statistics.median(column) for column in zip(*found, strict=True))
            ratio = statistics.median(pair[2] / pair[1] for pair in found)
            print(
                f"{metrics:>7}  {kind:<14}{nothing:>9.0f}{fast:>13.0f}{slow:>13.0f}{ratio:>7.0f}", flush=True
            )


if __name__ == "__main__":
    main()
