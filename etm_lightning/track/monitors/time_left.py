"""How long a training will still take."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

from etm_lightning.track.monitor import Measured, Measuring


class TimeLeft(Measuring):
    """Seconds until the epoch and the training end: ``eta/epoch_s`` and ``eta/training_s``.

    Evaluations still to come are included, each as long as those so far took on average; before the first one
    nobody knows how long they take, and they count nothing. A training ends with ``max_epochs``,
    ``max_steps`` or ``max_time``, whichever comes first; without an end, or with a loader of unknown length,
    what cannot be told is left out.
    """

    def __init__(self, every_n_steps: int | None = None) -> None:
        super().__init__(every_n_steps)
        self._forget()

    def _forget(self) -> None:
        self._began = self._evaluating = self._evaluated = 0.0
        self._batches = self._evaluations = 0

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        super().on_train_start(trainer, pl_module)
        self._forget()

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *args: Any, **kwargs: Any) -> None:
        if not self._began:  # the first batch is no measure: compilers, caches and workers begin
            self._began = time.perf_counter()
            return
        self._batches += 1
        super().on_train_batch_end(trainer, pl_module)

    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        self._evaluating = time.perf_counter()

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        if self._began and not trainer.sanity_checking:
            self._evaluated += time.perf_counter() - self._evaluating
            self._evaluations += 1

    def measure(self, trainer: Any, module: Any) -> Mapping[str, Measured]:
        if not self._batches:
            return {}
        batch = (time.perf_counter() - self._began - self._evaluated) / self._batches
        evaluation = self._evaluated / self._evaluations if self._evaluations else 0.0
        found: dict[str, float] = {}
        here = batches_done(trainer)
        for name, end in (("epoch", end_of_epoch(trainer)), ("training", end_of_training(trainer))):
            if math.isfinite(end):
                to_come = max(evaluations(trainer, end) - evaluations(trainer, here), 0)
                found[f"eta/{name}_s"] = max(end - here, 0) * batch + to_come * evaluation
        return _not_after(trainer, found)


def batches_done(trainer: Any) -> float:
    """How many batches the training has had."""
    progress = trainer.fit_loop.epoch_loop.batch_progress.current.ready
    epoch, batches = trainer.current_epoch, trainer.num_training_batches
    return float(epoch * batches + progress if epoch else progress)


def end_of_epoch(trainer: Any) -> float:
    """After how many batches the epoch ends."""
    return float((trainer.current_epoch + 1) * trainer.num_training_batches)


def end_of_training(trainer: Any) -> float:
    """After how many batches the training ends; infinity if that is not known."""
    ends = [math.inf]
    if trainer.max_epochs not in (None, -1):
        ends.append(trainer.max_epochs * trainer.num_training_batches)
    if trainer.max_steps not in (None, -1):
        steps = trainer.max_steps - trainer.global_step
        # the end of an epoch steps with what it has
        per_step = trainer.num_training_batches / max(_steps_per_epoch(trainer), 1)
        ends.append(batches_done(trainer) + steps * per_step)
    return min(ends)


def _steps_per_epoch(trainer: Any) -> float:
    steps = trainer.num_training_batches / trainer.accumulate_grad_batches
    return float(steps) if math.isinf(steps) else math.ceil(steps)


def evaluations(trainer: Any, batches: float) -> int:
    """How many evaluations a training has had after so many batches."""
    if not trainer.enable_validation or not math.isfinite(trainer.val_check_batch or math.inf):
        return 0
    every, epochs = trainer.val_check_batch, trainer.check_val_every_n_epoch
    if epochs is None:
        return int(batches // every)
    length = trainer.num_training_batches
    whole, rest = divmod(batches, length)
    last = int(rest // every) if (whole + 1) % epochs == 0 else 0
    return int(whole // epochs) * int(length // every) + last


def _not_after(trainer: Any, found: dict[str, float]) -> dict[str, float]:
    """Nothing lasts longer than `max_time` allows."""
    timers = (c for c in trainer.callbacks if hasattr(c, "time_remaining"))
    left = min((seconds for timer in timers if (seconds := timer.time_remaining()) is not None), default=None)
    if left is None:
        return found
    return {name: min(seconds, left) for name, seconds in ({"eta/training_s": left} | found).items()}
