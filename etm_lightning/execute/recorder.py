"""What a text module keeps aside for us, into the run."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl

from etm_lightning.execute.progress import hush
from etm_lightning.track.clocks import logger_step
from etm_lightning.track.logger import ETMLogger


class Recorder(pl.Callback):
    """Records `module.confusion`, counts by stage, after each evaluation."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _hushed, ()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not trainer.sanity_checking:
            self._record(trainer, pl_module, "validate", "val")

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._record(trainer, pl_module, "test", "test")

    def _record(self, trainer: pl.Trainer, module: Any, stage: str, prefix: str) -> None:
        kept = getattr(module, "confusion", None) or {}
        counts = next((kept[key] for key in (stage, prefix) if key in kept), None)
        labels = getattr(module, "labels", None)
        if counts is None or not labels or not trainer.is_global_zero:
            return
        for logger in trainer.loggers:
            if isinstance(logger, ETMLogger):
                logger.run.log_confusion_matrix(
                    f"{prefix}/confusion_matrix",
                    [str(label) for label in labels],
                    counts.tolist(),
                    step=logger_step(trainer),
                    stage=stage,
                )


def _hushed() -> Recorder:
    """A recorder in a process that `ddp_spawn` started: nobody else keeps Lightning quiet there."""
    hush()
    return Recorder()
