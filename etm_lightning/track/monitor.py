"""Measuring while Lightning trains: one method, and every logger of the Trainer receives the numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from etm_lightning.track.clocks import logger_step


class Measuring:
    """The hooks of `Monitor`, without Lightning, for whichever namespace the Trainer comes from.

    A subclass of `Monitor` writes `measure` and, if need be, other values for:

    Attributes:
        on: where to measure: ``train_batch_end``, or ``before_optimizer_step`` while gradients are there.
        every_n_steps: how often, in optimizer batches.
    """

    on = "train_batch_end"
    every_n_steps = 50
    _measured = -1

    def measure(self, trainer: Any, module: Any) -> Mapping[str, float]:
        """The numbers by name, such as ``grad/norm``."""
        raise NotImplementedError(f"`{type(self).__name__}` must define `measure(trainer, module)`")

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        self._measured = -1

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *args: Any, **kwargs: Any) -> None:
        if self.on == "train_batch_end" and not _accumulates(trainer, pl_module):
            self._measure(trainer, pl_module)

    def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
        if self.on == "before_optimizer_step":
            self._measure(trainer, pl_module)

    def _measure(self, trainer: Any, module: Any) -> None:
        step = logger_step(trainer)
        if step % self.every_n_steps or step == self._measured:  # a second optimizer is of the same step
            return
        self._measured = step
        values = {**self.measure(trainer, module), "epoch": trainer.current_epoch}
        for logger in trainer.loggers:
            logger.log_metrics(metrics=dict(values), step=step)


def _accumulates(trainer: Any, module: Any) -> bool:
    """Whether the optimizer did not step after this batch, because gradients are collected over several."""
    return bool(module.automatic_optimization and trainer.fit_loop._should_accumulate())
