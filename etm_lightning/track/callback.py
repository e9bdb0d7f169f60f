"""Lightning's lifecycle into a run: when it starts, what it goes on from, how it ends."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from etm_lightning.attempts import facts
from etm_lightning.layout import RunFolder, project_folder
from etm_lightning.params import run_fingerprint
from etm_lightning.records import Params
from etm_lightning.track.logger import ETMLogger, logger_step
from etm_lightning.track.plain import plain

log = logging.getLogger(__name__)


class Lifecycle:
    """The hooks of `ETMCallback`, without Lightning, for whichever namespace the Trainer comes from.

    Without an ETMLogger in the Trainer it does nothing. It has no state of its own in the checkpoint: what a
    resumed training needs is under ``checkpoint["etm"]``.
    """

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        for logger in self._loggers(trainer):
            logger.attach(trainer)
            if not logger.run.started:
                logger.run.hold()
            logger.join(trainer.strategy.broadcast(logger.decide()))

    def on_load_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        origin = checkpoint.get("etm")
        if isinstance(origin, dict) and str(trainer.state.fn.value) == "fit":
            for logger in self._loggers(trainer):
                _go_on(logger, trainer, pl_module, origin)

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        for logger in self._loggers(trainer):
            logger.start(training=True)

    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        if str(trainer.state.fn.value) != "fit":
            self._evaluate(trainer)

    def on_test_start(self, trainer: Any, pl_module: Any) -> None:
        self._evaluate(trainer)

    def on_predict_start(self, trainer: Any, pl_module: Any) -> None:
        self._evaluate(trainer)

    def _evaluate(self, trainer: Any) -> None:
        """A run of its own when no training came before it here."""
        for logger in self._loggers(trainer):
            if not logger.run.started and (tested := _run_of(trainer.ckpt_path)) and tested != logger.run.id:
                logger.run.become(evaluates=tested)
            logger.start(training=False)

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        for logger in self._loggers(trainer):
            logger.train_rows = 0

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """An epoch shorter than `log_every_n_steps` would leave no training loss: record its last step."""
        for logger in self._loggers(trainer):
            if not logger.train_rows and trainer.log_every_n_steps and trainer._results is not None:
                values = trainer._results.metrics(on_step=True)["log"]
                last = max(logger_step(trainer) - 1, 0)
                logger.log_metrics({**values, "epoch": trainer.current_epoch}, last)

    def on_save_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        for logger in self._loggers(trainer):
            logger.mark_checkpoint(checkpoint)

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        for logger in self._loggers(trainer):
            logger.end_with(exception)

    def _loggers(self, trainer: Any) -> list[ETMLogger]:
        """The Trainer's ETMLoggers, unless another callback like this one comes before."""
        first = next((callback for callback in trainer.callbacks if isinstance(callback, Lifecycle)), self)
        return (
            [logger for logger in trainer.loggers if isinstance(logger, ETMLogger)] if first is self else []
        )


def _go_on(logger: ETMLogger, trainer: Any, module: Any, origin: dict[str, Any]) -> None:
    """Make the run the next attempt of the one that the checkpoint comes from, or a fork of it."""
    run = logger.run
    folder = RunFolder(project_folder(run.store, str(origin["project"])) / str(origin["run"]))
    if run.started or not folder.identity_file.exists():
        return
    mine = plain({**dict(getattr(trainer.datamodule, "hparams_initial", {})), **dict(module.hparams_initial)})
    if not _same(logger.recorded("config") or mine, _recorded(folder)):
        run.become(forked_from=str(origin["run"]))
        log.info("run %s is a fork of %s: its settings differ", run.id, origin["run"])
        return
    before = run.folder.path
    logger.go_on(str(origin["run"]), int(origin["attempt"]), str(origin["checkpoint"]))
    for callback in trainer.checkpoint_callbacks:
        dirpath = getattr(callback, "dirpath", None)
        if dirpath and Path(dirpath).is_relative_to(before):
            callback.dirpath = str(folder.path / Path(dirpath).relative_to(before))


def _same(mine: dict[str, Any], theirs: dict[str, Any]) -> bool:
    """Whether two attempts could be of one run: equal but for length and place, or nothing is known."""
    return (
        not mine or not theirs or run_fingerprint(mine) == run_fingerprint(theirs)
    )


def _recorded(folder: RunFolder) -> dict[str, Any]:
    """The settings that a run recorded."""
    params: dict[str, Any] = {}
    for fact in facts(folder.journal):
        if isinstance(fact.item, Params) and fact.item.about == "config":
            params.update(fact.item.params)
    return params


def _run_of(ckpt_path: str | Path | None) -> str:
    """Id of the run in whose folder a checkpoint lies; "" if in none."""
    for folder in Path(ckpt_path).absolute().parents if ckpt_path else ():
        if (folder / "run.json").exists():
            return RunFolder(folder).identity().id
    return ""
