"""What a logger costs a training that logs 10 metrics a step, beside one whose logger does nothing.

    python benchmarks/overhead.py [--loggers etm,etm+sinks,tensorboard,wandb,csv] [--pairs 5] [--steps 2000]

Each training is a process of its own; those of a pair run one after the other, so that a slow machine is
slow for both. Prints the median over the pairs of the ratio of seconds per step. Needs the extra [bench].
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
from typing import Any

NAMES = [f"train/metric_{i}" for i in range(10)]
WARM_UP = 200


def logger(kind: str, folder: str) -> Any:
    """A logger by name, which writes below `folder`."""
    from lightning.pytorch import loggers
    from lightning.pytorch.loggers.logger import DummyLogger

    from etm_lightning import ETMLogger

    if kind == "null":
        return DummyLogger()
    if kind == "etm":
        return ETMLogger("bench", folder)
    if kind == "etm+sinks":
        return ETMLogger("bench", folder, sinks=["tensorboard", "wandb", "mlflow"])
    if kind == "tensorboard":
        return loggers.TensorBoardLogger(folder)
    if kind == "wandb":
        return loggers.WandbLogger(save_dir=folder, offline=True)
    if kind == "csv":
        return loggers.CSVLogger(folder)
    raise ValueError(f"`kind` must be null, etm, etm+sinks, tensorboard, wandb or csv but got {kind!r}")


def train(kind: str, steps: int, metrics: int) -> float:
    """Seconds per step of one training in this process."""
    import logging
    import warnings

    import lightning.pytorch as pl
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    torch.set_num_threads(1)

    class Line(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.line = torch.nn.Linear(32, 2)
            self.began = 0.0
            self.ended = 0.0

        def training_step(self, batch: Any, index: int) -> Any:
            if index == WARM_UP:
                self.began = time.perf_counter()
            loss = self.line(batch[0]).square().mean()
            for name in NAMES[:metrics]:
                self.log(name, loss)
            return loss

        def on_train_batch_end(self, outputs: Any, batch: Any, index: int) -> None:
            self.ended = time.perf_counter()

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=0.01)

    model = Line()
    data = DataLoader(TensorDataset(torch.randn((steps + WARM_UP) * 4, 32)), batch_size=4)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        pl.Trainer(
            accelerator="cpu",
            max_epochs=1,
            log_every_n_steps=1,
            logger=logger(kind, folder),
            enable_progress_bar=False,
            enable_model_summary=False,
            enable_checkpointing=False,
        ).fit(model, data)
        return (model.ended - model.began) / steps


def measured(kind: str, steps: int, metrics: int) -> float:
    """Seconds per step of one training in a new process."""
    command = [sys.executable, __file__, "--one", kind, "--steps", str(steps), "--metrics", str(metrics)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "WANDB_MODE": "offline", "WANDB_SILENT": "true"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    return float(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """Run pairs, print ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--loggers", default="etm,etm+sinks,tensorboard,wandb,csv")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--metrics", type=int, default=10)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(train(given.one, given.steps, given.metrics)))
        return
    found: dict[str, list[tuple[float, float]]] = {kind: [] for kind in given.loggers.split(",")}
    for _ in range(given.pairs):
        for kind, pairs in found.items():
            nothing = measured("null", given.steps, given.metrics)
            pairs.append((measured(kind, given.steps, given.metrics), nothing))
    print(f"{given.metrics} metrics a step, {given.steps} steps, median of {given.pairs} pairs")
    print(f"{'logger':<14}{'ms/step':>9}{'null':>9}{'ratio':>9}   of each pair")
    for kind, pairs in found.items():
        ratios = [one / nothing for one, nothing in pairs]
        ours, nothing = (1e3 * statistics.median(column) for column in zip(*pairs, strict=True))
        each = " ".join(f"{ratio:.3f}" for ratio in ratios)
        print(f"{kind:<14}{ours:>9.3f}{nothing:>9.3f}{statistics.median(ratios):>9.3f}   {each}")


if __name__ == "__main__":
    main()
