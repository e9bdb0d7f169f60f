"""Ending a trial that cannot win: the controller leaves a file in the run's folder, the training sees it."""

from __future__ import annotations

from typing import Any

from etm_lightning.track.logger import ETMLogger
from etm_lightning.track.trial import trial_folder

PRUNE = "prune"
"""The file in a run's folder that asks it to end."""
RUN = "run"
"""The file in a trial's folder that names its run's."""


class Pruning:
    """The hooks of `Prune`, without Lightning, for whichever namespace the Trainer comes from.

    After a validation rank 0 looks for the file, and all ranks stop together where Lightning stops for any
    reason (`trainer.should_stop`): nothing is raised inside `fit`, and what comes after it runs.
    """

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        folder, run = trial_folder(), _run(trainer)
        if folder is not None and run is not None and trainer.is_global_zero:
            file = folder / RUN
            temporary = file.with_name(f".{RUN}")
            temporary.write_text(str(run.folder.path.absolute()))
            temporary.replace(file)

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        run = _run(trainer)
        if run is None or trainer.sanity_checking or str(trainer.state.fn.value) != "fit":
            return
        asked = trainer.is_global_zero and (run.folder.path / PRUNE).exists()
        if trainer.strategy.broadcast(asked):
            trainer.should_stop = True
            for logger in trainer.loggers:
                if isinstance(logger, ETMLogger):
                    logger.prune("the search saw that it would not be the best")


def _run(trainer: Any) -> Any:
    """The run of the first ETMLogger; None if this is no trial or there is none."""
    if trial_folder() is None:
        return None
    return next((logger.run for logger in trainer.loggers if isinstance(logger, ETMLogger)), None)
