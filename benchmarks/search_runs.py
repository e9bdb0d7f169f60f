"""Trainings in this process, for benchmarks of the search: what each epoch came to, and its CPU seconds."""

from __future__ import annotations

import copy
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import lightning.pytorch as pl

Stop = Callable[[int, float, float], bool]
"""Told of an epoch, from 1, its validation value and the CPU seconds so far; whether to end the training."""


@dataclass
class Trained:
    """A training: the validation value of each epoch, CPU seconds up to there, the test of the best one."""

    values: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    stopped: bool = False
    test: Callable[[], float] = float

    @property
    def best(self) -> float:
        return max(self.values)


class _Curve(pl.Callback):
    def __init__(self, monitor: str, stop: Stop) -> None:
        self._monitor, self._stop, self._began = monitor, stop, time.process_time()
        self.trained, self.state = Trained(), None

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.sanity_checking:
            return
        value = float(trainer.callback_metrics[self._monitor])
        self.trained.values.append(value)
        self.trained.seconds.append(time.process_time() - self._began)
        if value >= self.trained.best:
            self.state = copy.deepcopy(pl_module.state_dict())
        if self._stop(len(self.trained.values), value, self.trained.seconds[-1]):
            self.trained.stopped = True
            trainer.should_stop = True


def train(
    data: Any,
    kind: type[pl.LightningModule],
    options: Mapping[str, Any],
    *,
    epochs: int,
    seed: int,
    monitor: str,
    stop: Stop = lambda epoch, value, seconds: False,
) -> Trained:
    """Train a model on data that is set up, as `train.py` would.

    Args:
        data: a data module of ours.
        kind: the model's class.
        options: its arguments.
        epochs: at most.
        seed: of everything.
        monitor: the validation value, to be large; its test value has the prefix ``test``.
        stop: asked after each epoch.
    """
    warnings.filterwarnings("ignore")
    pl.seed_everything(seed, workers=True, verbose=False)
    model = kind(**{**data.model_kwargs(), **options})
    curve = _Curve(monitor, stop)
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        callbacks=[curve],
    )
    trainer.fit(model, datamodule=data)

    def test() -> float:
        model.load_state_dict(curve.state)
        (found,) = trainer.test(model, datamodule=data, verbose=False)
        return float(found[monitor.replace("val/", "test/")])

    curve.trained.test = test
    return curve.trained
