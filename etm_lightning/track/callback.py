"""Lightning's lifecycle into a run: when it starts, what it goes on from, how it ends."""

from __future__ import annotations

import logging
from typing import Any

from etm_lightning.track.logger import ETMLogger

log = logging.getLogger(__name__)


class Lifecycle:
    """The hooks of `ETMCallback`, without Lightning, for whichever namespace the Trainer comes from.

    Without an ETMLogger in the Trainer it does nothing. It has no state of its own in the checkpoint: what a
    resumed training needs is under ``checkpoint["etm"]``.
    """

    _warned = False

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        for logger in self._loggers(trainer):
            if str(trainer.state.fn.value) == "fit":
                logger.begin_again(trainer)
            logger.attach(trainer)
            logger.join(trainer.strategy.broadcast(logger.decide()))
        if trainer.is_global_zero:
            self._warn_of_two_runs(trainer)

    def on_load_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        if str(trainer.state.fn.value) != "fit":
            return
        for place, logger in enumerate(self._loggers(trainer)):
            decided = logger.origin_of(checkpoint, place, _hparams(pl_module) | _hparams(trainer.datamodule))
            logger.resume(trainer, trainer.strategy.broadcast(decided), checkpoint)
            logger.attach(trainer)

    def on_sanity_check_start(self, trainer: Any, pl_module: Any) -> None:
        for logger in self._loggers(trainer):
            logger.mute()

    def on_sanity_check_end(self, trainer: Any, pl_module: Any) -> None:
        for logger in self._loggers(trainer):
            logger.attach(trainer)

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        for logger in self._loggers(trainer):
            logger.start_training(trainer)
            self._share(trainer, logger)

    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        if str(trainer.state.fn.value) != "fit":
            self._start_evaluation(trainer)

    def on_test_start(self, trainer: Any, pl_module: Any) -> None:
        self._start_evaluation(trainer)

    def on_predict_start(self, trainer: Any, pl_module: Any) -> None:
        self._start_evaluation(trainer)

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        for logger in self._loggers(trainer):
            logger.begin_epoch(trainer)

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        for logger in self._loggers(trainer):
            logger.begin_batch()

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        for logger in self._loggers(trainer):
            logger.end_epoch(trainer)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        for logger in self._loggers(trainer):
            logger.settle()

    def on_save_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        marks = [logger.mark_checkpoint(trainer) for logger in self._loggers(trainer)]
        if marks and None not in marks:
            checkpoint["etm"] = marks

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        for logger in self._loggers(trainer):
            logger.attach(trainer)
            logger.end_with(exception)

    def _warn_of_two_runs(self, trainer: Any) -> None:
        """Tell once that W&B gets the training from us and from its own logger."""
        sinks = [sink["sink"] for logger in self._loggers(trainer) for sink in logger.run.sinks.values()]
        kinds = {kind.__name__ for logger in trainer.loggers for kind in type(logger).__mro__}
        if not self._warned and "wandb" in sinks and "WandbLogger" in kinds:
            self._warned = True
            log.warning("W&B will show two runs: WandbLogger makes one, the sink wandb the other")

    def _start_evaluation(self, trainer: Any) -> None:
        for logger in self._loggers(trainer):
            logger.start_evaluation(trainer)
            self._share(trainer, logger)

    def _share(self, trainer: Any, logger: ETMLogger) -> None:
        if logger.all_ranks:
            logger.follow(trainer.strategy.broadcast(logger.lead()))

    def _loggers(self, trainer: Any) -> list[ETMLogger]:
        """The Trainer's ETMLoggers, unless another callback like this one comes before."""
        first = next((callback for callback in trainer.callbacks if isinstance(callback, Lifecycle)), self)
        if first is not self:
            return []
        return [logger for logger in trainer.loggers if isinstance(logger, ETMLogger)]


def _hparams(source: Any) -> dict[str, Any]:
    """The settings that Lightning will log for a module or data module."""
    if source is None or not getattr(source, "_log_hyperparams", True):
        return {}
    return {name: value for name, value in source.hparams_initial.items() if name != "_class_path"}
