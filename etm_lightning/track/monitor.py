"""Measuring while Lightning trains: one method, and every logger of the Trainer receives what it found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from etm_lightning.track.clocks import logger_step
from etm_lightning.track.show import Histogram, Table, show

Measured = float | Histogram | Table


class Measuring:
    """The hooks of `Monitor`, without Lightning, for whichever namespace the Trainer comes from.

    A subclass of `Monitor` writes `measure` and, if need be, other values for:

    Attributes:
        on: when to measure: ``train_batch_end``; ``before_optimizer_step``, while gradients are there; or
            ``validation_end``, whatever the step.
        every_n_steps: how often, in optimizer batches.

    Args:
        every_n_steps: how often, if not as the class says; at least 1.

    Raises:
        ValueError: if it is less.
    """

    on = "train_batch_end"
    every_n_steps = 50
    _measured = -1

    def __init__(self, every_n_steps: int | None = None) -> None:
        super().__init__()
        if every_n_steps is not None:
            if every_n_steps < 1:
                raise ValueError(f"`every_n_steps` must be at least 1 but got {every_n_steps}")
            self.every_n_steps = every_n_steps

    def measure(self, trainer: Any, module: Any) -> Mapping[str, Measured]:
        """Numbers by name, such as ``grad/norm``; a histogram or a table too; nothing where there is none."""
        raise NotImplementedError(f"`{type(self).__name__}` must define `measure(trainer, module)`")

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        self._measured = -1

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *args: Any, **kwargs: Any) -> None:
        if self.on == "train_batch_end" and self._due(trainer) and not _accumulates(trainer, pl_module):
            self._measure(trainer, pl_module)

    def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
        if self.on == "before_optimizer_step" and self._due(trainer):
            self._measure(trainer, pl_module)

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        if self.on == "validation_end" and not trainer.sanity_checking:
            self._measure(trainer, pl_module)

    def _due(self, trainer: Any) -> bool:
        """Whether to measure at this step, if it is not done: a second optimizer is of the same step."""
        step = logger_step(trainer)
        return not step % self.every_n_steps and step != self._measured

    def _measure(self, trainer: Any, module: Any) -> None:
        self._measured = step = logger_step(trainer)
        found = self.measure(trainer, module)
        shown = {name: value for name, value in found.items() if isinstance(value, Histogram | Table)}
        values = {name: value for name, value in found.items() if name not in shown}
        for logger in trainer.loggers:
            if values:
                logger.log_metrics(metrics={**values, "epoch": trainer.current_epoch}, step=step)
            for name, thing in shown.items() if trainer.is_global_zero else ():
                show(logger, name, thing, step)


def _accumulates(trainer: Any, module: Any) -> bool:
    """Whether the optimizer did not step after this batch, because gradients are collected over several."""
    return bool(module.automatic_optimization and trainer.fit_loop._should_accumulate())
