"""What `fast_log` costs a training on the CPU that logs many metrics a step, beside `self.log`.

    python benchmarks/fast_log.py [--metrics 1,10,50] [--pairs 5] [--steps 1000] [--every 1] [--clock wall]

Each training is a process of its own, with an ETMLogger; those of a pair run one after the other, so that a
slow machine is slow for both. A training logs in 20 steps and does not in the next 20, and so on: what a step
costs is the median of those that log less the median of those that do not, both of the training with
`fast_log`, since Lightning goes on to walk over what `self.log` was given once. With `--clock cpu` only what
the training's thread itself computes counts, whatever else the machine does. Values are tensors on the CPU
(`tensors`), Python's numbers (`floats`), or tensors whose epoch's mean is logged, too (`tensors+epoch`).
Needs the extra [bench].
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
from typing import Any

KINDS = ("tensors", "floats", "tensors+epoch")
CLOCKS = {"wall": time.perf_counter, "cpu": time.thread_time}
BLOCK = 20
WARM_UP = 5 * BLOCK


def logs(step: int) -> bool:
    """Whether this step is one that logs."""
    return step // BLOCK % 2 == 0


def train(given: argparse.Namespace) -> tuple[float, float]:
    """Median seconds of the steps that log, and of the others, of one training in this process."""
    import logging
    import warnings

    import lightning.pytorch as pl
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    from etm_lightning import ETMLogger, fast_log

    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    names = [f"train/metric_{i}" for i in range(int(given.metrics))]
    options: Any = {"on_step": True, "on_epoch": given.kind.endswith("epoch")}
    clock = CLOCKS[given.clock]

    class Line(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.line = torch.nn.Linear(32, 2)
            self.times: list[float] = []

        def training_step(self, batch: Any, index: int) -> Any:
            self.times.append(clock())
            loss = self.line(batch[0]).square().mean()
            if logs(index):
                values = dict.fromkeys(names, 0.25 if given.kind == "floats" else loss)
                if given.one == "fast_log":
                    fast_log(self, values, **options)
                else:
                    self.log_dict(values, **options)
            return loss

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=0.01)

    model = Line()
    data = DataLoader(TensorDataset(torch.randn((2 * given.steps + WARM_UP) * 4, 32)), batch_size=4)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        logger: Any = ETMLogger("bench", folder, shipper=False)
        pl.Trainer(
            accelerator="cpu",
            max_epochs=1,
            log_every_n_steps=given.every,
            logger=logger,
            enable_progress_bar=False,
            enable_model_summary=False,
            enable_checkpointing=False,
        ).fit(model, data)
    steps = list(enumerate(after - before for before, after in itertools.pairwise(model.times)))[WARM_UP:]
    logging_, plain = ([took for n, took in steps if logs(n) == wanted] for wanted in (True, False))
    return statistics.median(logging_), statistics.median(plain)


def measured(way: str, kind: str, metrics: int, given: argparse.Namespace) -> tuple[float, float]:
    """What `train` finds in a new process."""
    command = [sys.executable, __file__, "--one", way, "--kind", kind, "--metrics", str(metrics)]
    command += ["--steps", str(given.steps), "--every", str(given.every), "--clock", given.clock]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    logging, plain = json.loads(done.stdout.splitlines()[-1])
    return logging, plain


def main() -> None:
    """Run pairs, print costs and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--metrics", default="1,10,50")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--steps", type=int, default=1000, help="that log")
    parser.add_argument("--every", type=int, default=1, help="log_every_n_steps")
    parser.add_argument("--clock", default="wall", choices=CLOCKS)
    parser.add_argument("--kind", default="tensors", choices=KINDS, help=argparse.SUPPRESS)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(train(given)))
        return
    print(f"log_every_n_steps={given.every}, {given.clock} clock, median of {given.pairs} pairs")
    print(f"{'metrics':>7}  {'values':<14}{'step µs':>9}{'fast_log µs':>13}{'self.log µs':>13}{'ratio':>7}")
    for metrics in map(int, given.metrics.split(",")):
        for kind in KINDS:
            found = []
            for _ in range(given.pairs):
                fast, plain = measured("fast_log", kind, metrics, given)
                slow, _ = measured("self.log", kind, metrics, given)
                found.append((plain, fast - plain, slow - plain))
            step, fast, slow = (1e6 * statistics.median(column) for column in zip(*found, strict=True))
            ratio = statistics.median(pair[2] / pair[1] for pair in found)
            row = f"{step:>9.0f}{fast:>13.0f}{slow:>13.0f}{ratio:>7.0f}"
            print(f"{metrics:>7}  {kind:<14}{row}", flush=True)


if __name__ == "__main__":
    main()
