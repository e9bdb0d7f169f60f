"""What a monitor costs a training per step, beside Lightning's own where it has one.

    python benchmarks/monitors.py [--steps 2000] [--rounds 3] [--layers 1] [--only ours.Throughput@50,…]

Trainer, `layers` linear layers of 32, one metric a step, a logger that does nothing, one thread, CPU. Each
training is a process of its own; a round has each once. Prints, in microseconds of the thread's CPU: what a
step spends in the hooks of the callback, all steps together (the looks every n steps too), least of the
rounds; and p10 of a step over p10 of one without it, in which looks every n steps do not show.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import time
from typing import Any

WARM_UP = 200
CASES = [
    *("ours.Throughput@1", "ours.Throughput@50"),
    *("lightning.ThroughputMonitor@1", "lightning.ThroughputMonitor@50"),
    *("ours.GradientNorm@1", "ours.GradientNorm@50", "lightning.grad_norm@1", "lightning.grad_norm@50"),
    *("ours.UpdateRatio@1", "ours.UpdateRatio@50"),
    *("ours.DeviceMemory@1", "ours.DeviceMemory@50"),
    *("lightning.DeviceStatsMonitor@1", "lightning.DeviceStatsMonitor@50"),
    *("ours.Numerics@1", "ours.Numerics@50", "lightning.SpikeDetection@1"),
    *("ours.TimeLeft@1", "ours.TimeLeft@50"),
    *("ours.Histograms@50", "ours.Histograms@500"),
    *("lightning.LearningRateMonitor@1", "lightning.LearningRateMonitor@50"),
]


def callback(kind: str, every: int) -> Any:
    """A callback by the name of its class."""
    import lightning.pytorch as pl
    from lightning.pytorch import callbacks
    from lightning.pytorch.callbacks.spike import SpikeDetection
    from lightning.pytorch.utilities import grad_norm

    import etm_lightning

    class GradNorm(pl.Callback):
        def on_before_optimizer_step(self, trainer: Any, module: Any, optimizer: Any) -> None:
            if not trainer.global_step % every:
                found = {name: float(norm) for name, norm in grad_norm(module, 2).items()}
                for logger in trainer.loggers:
                    logger.log_metrics(found, trainer.global_step)

    home, _, name = kind.partition(".")
    if home == "ours":
        return getattr(etm_lightning, name)(every_n_steps=every)
    if name == "grad_norm":
        return GradNorm()
    if name == "ThroughputMonitor":
        return callbacks.ThroughputMonitor(batch_size_fn=lambda batch: len(batch[0]), window_size=10)
    if name == "SpikeDetection":
        return SpikeDetection()
    return getattr(callbacks, name)()


def timed(one: Any) -> list[float]:
    """Add up the seconds that a callback's hooks take from now on, as the first of the list."""
    spent = [0.0]

    def watch(hook: Any) -> Any:
        def watched(*args: Any, **options: Any) -> Any:
            began = time.thread_time()
            try:
                return hook(*args, **options)
            finally:
                spent[0] += time.thread_time() - began

        return watched

    for name in dir(one):
        if name.startswith("on_"):
            setattr(one, name, watch(getattr(one, name)))
    return spent


def train(case: str, steps: int, layers: int) -> tuple[float, float]:
    """Microseconds of one training in this process: in the hooks per step, and p10 of a step."""
    import logging
    import warnings

    import lightning.pytorch as pl
    import torch
    from lightning.pytorch.loggers.logger import DummyLogger
    from torch.utils.data import DataLoader, TensorDataset

    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    kind, _, every = case.partition("@")
    watching = [] if kind == "none" else [callback(kind, int(every))]
    spent = timed(watching[0]) if watching else [0.0]
    marks: list[float] = []
    before = [0.0]

    class Deep(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = torch.nn.Sequential(*(torch.nn.Linear(32, 32) for _ in range(layers)))

        def training_step(self, batch: Any, index: int) -> Any:
            marks.append(time.thread_time())
            if index == WARM_UP:
                before[0] = spent[0]
            loss = self.net(batch[0]).square().mean()
            self.log("train/loss", loss)
            return loss

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=0.01)

    pl.Trainer(
        accelerator="cpu",
        max_epochs=1,
        log_every_n_steps=int(every or 1),
        logger=DummyLogger(),
        callbacks=watching,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
    ).fit(Deep(), DataLoader(TensorDataset(torch.randn((steps + WARM_UP) * 4, 32)), batch_size=4))
    took = [1e6 * (later - mark) for mark, later in itertools.pairwise(marks[WARM_UP:])]
    return 1e6 * (spent[0] - before[0]) / steps, statistics.quantiles(took, n=10)[0]


def measured(case: str, steps: int, layers: int) -> tuple[float, float]:
    """The same in a new process."""
    options = ["--one", case, "--steps", str(steps), "--layers", str(layers)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "ETM_AUTO": "0"}
    command = [sys.executable, __file__, *options]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        sys.exit(f"{case}\n{done.stderr}")
    hooks, step = json.loads(done.stdout.splitlines()[-1])
    return float(hooks), float(step)


def main() -> None:
    """Run rounds, print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--layers", type=int, default=1)
    parser.add_argument("--only", default=",".join(CASES))
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(train(given.one, given.steps, given.layers)))
        return
    cases = list(dict.fromkeys(["none", *given.only.split(",")]))
    found: dict[str, list[tuple[float, float]]] = {case: [] for case in cases}
    for _ in range(given.rounds):
        for case, pairs in found.items():
            pairs.append(measured(case, given.steps, given.layers))
    base = min(step for _, step in found["none"])
    print(f"{given.layers} layers, {given.steps} steps, {given.rounds} rounds; p10 alone {base:.0f} µs")
    print(f"{'callback @ every n steps':<34}{'in hooks':>10}{'p10 over it':>13}   µs per step")
    for case, pairs in found.items():
        hooks = min(pair[0] for pair in pairs)
        print(f"{case:<34}{hooks:>10.1f}{min(pair[1] for pair in pairs) - base:>13.0f}")


if __name__ == "__main__":
    main()
