"""What a logger costs a whole training, beside one whose logger does nothing.

    python benchmarks/overhead.py [--loggers etm,fast,csv,tensorboard,wandb,mlflow] [--metrics 1,10,50]
                                  [--rounds 3] [--steps N]

Each training is a process of its own, forked from one that has imported Lightning; those of a round run one
after the other, so that a slow machine is slow for all. `silent` logs nothing at all, `null` calls `self.log`
with a logger that does nothing, `fast` calls `fast_log` with ETMLogger, `etm+sinks` feeds three sinks. Prints
medians of the time of a step and of its ratio to that of `null`. Needs the extra [bench].
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
import traceback
from typing import Any

WARM_UP = 50
KINDS = ("silent", "null", "etm", "fast", "etm+sinks", "csv", "tensorboard", "wandb", "mlflow")
STEPS = {1: 800, 10: 400, 50: 160}
"""By metrics a step: about as long as each other."""

Found = dict[int, dict[str, list[float]]]
"""Seconds of a step in each round, by metrics a step and by logger."""


def logger(kind: str, folder: str) -> Any:
    """A logger by name, which writes below `folder`."""
    from lightning.pytorch import loggers
    from lightning.pytorch.loggers.logger import DummyLogger

    from etm_lightning import ETMLogger

    if kind in ("silent", "null"):
        return DummyLogger()
    if kind in ("etm", "fast"):
        return ETMLogger("bench", folder)
    if kind == "etm+sinks":
        return ETMLogger("bench", folder, sinks=["tensorboard", "wandb", "mlflow"])
    if kind == "csv":
        return loggers.CSVLogger(folder)
    if kind == "tensorboard":
        return loggers.TensorBoardLogger(folder)
    if kind == "wandb":
        return loggers.WandbLogger(save_dir=folder, offline=True)
    if kind == "mlflow":
        return loggers.MLFlowLogger(tracking_uri=f"sqlite:///{folder}/mlflow.db")
    raise ValueError(f"`kind` must be one of {', '.join(KINDS)} but got {kind!r}")


def train(kind: str, steps: int, metrics: int) -> float:
    """Seconds per step of one training in this process."""
    import lightning.pytorch as pl
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    names = [f"train/metric_{i}" for i in range(metrics)]
    if kind == "fast":
        from etm_lightning import fast_log  # type: ignore[attr-defined,unused-ignore]

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
            if kind == "fast":
                fast_log(self, dict.fromkeys(names, loss))
            elif kind != "silent":
                for name in names:
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


def serve() -> None:
    """Import Lightning once and fork for each training that is asked for, a JSON list a line."""
    import logging
    import warnings

    import lightning.pytorch  # noqa: F401  # the children find them imported
    import torch

    from etm_lightning import ETMLogger  # noqa: F401

    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    answers = os.dup(1)
    os.dup2(2, 1)
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            code = 1
            try:
                os.write(answers, json.dumps(train(*json.loads(line))).encode() + b"\n")
                code = 0
            except BaseException:  # the parent gets `null` for it; the child must end here
                traceback.print_exc()
            finally:
                os._exit(code)
        if os.waitpid(pid, 0)[1]:
            os.write(answers, b"null\n")


class Trainings:
    """A server of trainings, for the time of a `with`."""

    def __enter__(self) -> Trainings:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "WANDB_MODE": "offline", "WANDB_SILENT": "true"}
        self._errors = tempfile.TemporaryFile("w+")
        self._server = subprocess.Popen(
            [sys.executable, __file__, "--serve"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=environment,
        )
        return self

    def seconds(self, kind: str, steps: int, metrics: int) -> float:
        """Seconds of a step of one training.

        Raises:
            RuntimeError: with what the training wrote, if it fails.
        """
        assert self._server.stdin
        assert self._server.stdout
        self._server.stdin.write(json.dumps([kind, steps, metrics]) + "\n")
        self._server.stdin.flush()
        answer = json.loads(self._server.stdout.readline() or "null")
        if answer is None:
            self._errors.seek(0)
            raise RuntimeError(self._errors.read())
        return float(answer)

    def __exit__(self, *_: object) -> None:
        self._server.kill()
        self._server.communicate()
        self._errors.close()


def known() -> list[str]:
    """The kinds that this version can train with."""
    import etm_lightning

    return [kind for kind in KINDS if kind != "fast" or "fast_log" in etm_lightning.__all__]


def rounds(kinds: list[str], widths: list[int], count: int, steps: int | None = None) -> Found:
    """Train with each of `kinds`, `count` times."""
    found: Found = {width: {kind: [] for kind in kinds} for width in widths}
    with Trainings() as trainings:
        for _ in range(count):
            for width, each in found.items():
                for kind, seconds in each.items():
                    seconds.append(trainings.seconds(kind, steps or STEPS.get(width, 500), width))
    return found


def table(found: Found) -> str:
    """Medians, a row for each logger."""
    kinds = list(next(iter(found.values())))
    lines = [f"{'µs of a step, ratio to null':<28}" + "".join(f"{f'{width} metrics':>16}" for width in found)]
    for kind in kinds:
        row = f"{kind:<28}"
        for each in found.values():
            ratio = statistics.median(one / null for one, null in zip(each[kind], each["null"], strict=True))
            row += f"{1e6 * statistics.median(each[kind]):>9,.0f}{ratio:>7.2f}"
        lines.append(row)
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--loggers", default="etm,fast,etm+sinks,csv,tensorboard,wandb,mlflow")
    parser.add_argument("--metrics", default="1,10,50")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve()
        return
    kinds = [kind for kind in ["silent", "null", *given.loggers.split(",")] if kind in known()]
    print(table(rounds(kinds, [int(width) for width in given.metrics.split(",")], given.rounds, given.steps)))


if __name__ == "__main__":
    main()
