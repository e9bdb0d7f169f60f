"""The way of values from `fast_log` to loggers, monitors and the progress bar of a Trainer."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Sequence
from typing import Any, ClassVar

from etm_lightning.track.clocks import collects, logger_step
from etm_lightning.track.fast.calls import Calls
from etm_lightning.track.fast.epoch import Value, epoch_values, show_epoch, show_steps
from etm_lightning.track.fast.options import Rules
from etm_lightning.track.fast.plan import Plan
from etm_lightning.track.fast.rows import Place, write
from etm_lightning.track.logger import ETMLogger

log = logging.getLogger(__name__)


class FastPath:
    """The hooks of `FastLog`, without Lightning, for whichever namespace the Trainer comes from.

    The first `fast_log` puts one before a Trainer's other callbacks, so that these find the values of an
    epoch at its end. It has no hook that is called at each batch, which alone would cost as much as a row.
    """

    rules: ClassVar[Rules]
    on_train_batch_start = on_train_batch_end = on_validation_batch_start = on_validation_batch_end = None
    on_test_batch_start = on_test_batch_end = on_predict_batch_start = on_predict_batch_end = None
    on_before_zero_grad = on_before_backward = on_after_backward = on_before_optimizer_step = None

    def __init__(self) -> None:
        self.calls: Calls = None  # type: ignore[assignment]  # no hook comes before `begin`

    def __reduce__(self) -> Any:
        return type(self), ()

    def begin(self, trainer: Any, device: Any = None) -> None:
        """Nothing has been logged in this Trainer yet."""
        if device is None:
            home = importlib.import_module("etm_lightning.track.on_device")
            device = home.Device(trainer.strategy.root_device)
        self.calls = Calls(self.rules, trainer, device)

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        self.begin(trainer)

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        self.calls.forget("train")

    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        self.calls.forget("validate")
        if not trainer.sanity_checking:
            self._settle(trainer, pl_module, logger_step(trainer))

    def on_test_start(self, trainer: Any, pl_module: Any) -> None:
        self.calls.forget("test")

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        place = Place("train", "step", logger_step(trainer) - 1, trainer.current_epoch)
        self._settle(trainer, pl_module, place.step)
        if trainer.log_every_n_steps:
            for plan in _without_row(self.calls.of("train")):
                write(trainer, plan.steps(), *plan.place, ours_only=True)
        values = self._ended(trainer, "train")
        row = {value.full: value.number for value in values if value.plan.meaning.logger}
        if row:
            write(trainer, row, *place)

    def on_validation_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        self._end_evaluation(trainer, "validate")

    def on_test_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        self._end_evaluation(trainer, "test")

    def on_save_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        self.calls.lag.wait()  # what the checkpoint's step has seen comes before its mark

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        if self.calls is None:  # what failed came before all hooks
            return
        try:
            self.calls.lag.wait()
        except Exception as error:  # a device that failed gives nothing back
            text = f"rows of `fast_log` that stayed on the device: {self.calls.lag.drop()} ({error})"
            log.warning(text)
            for logger in trainer.loggers:
                if isinstance(logger, ETMLogger):
                    logger.run.alert("rows are lost", text, level="error")

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        self.calls.lag.wait()

    # -- the end of an epoch --------------------------------------------------------------------------------

    def _settle(self, trainer: Any, module: Any, step: int) -> None:
        """Show training's newest values; if it was told to stop at the last batch, write that batch's row."""
        for plan in self.calls.of("train"):
            show_steps(trainer._logger_connector, plan, self.calls.device)
            last = plan.latest is not None and plan.step == step and not plan.settled
            plan.settled = True
            if last and trainer.should_stop and trainer.log_every_n_steps and not collects(trainer, module):
                self.calls.row(trainer, plan)
        self.calls.lag.wait()

    def _ended(self, trainer: Any, stage: str) -> list[Value]:
        """The epoch's values, which are shown from now on."""
        self.calls.lag.wait()
        values = epoch_values(self.calls.of(stage), self.calls.device, trainer.strategy)
        show_epoch(trainer._logger_connector, values)
        self.calls.forget(stage)
        return values

    def _end_evaluation(self, trainer: Any, stage: str) -> None:
        for plan in self.calls.of(stage):
            show_steps(trainer._logger_connector, plan, self.calls.device)
        values = self._ended(trainer, stage)
        if trainer.sanity_checking:
            return
        outputs = trainer._evaluation_loop._logged_outputs  # the row, the table, and what `validate` returns
        for value in values:
            if value.plan.meaning.logger:
                place = value.plan.key.dataloader or 0
                outputs[min(place, len(outputs) - 1)][value.full] = value.tensor


def _without_row(plans: Sequence[Plan]) -> list[Plan]:
    """Those whose steps were all between two rows, so that nothing would be known of them."""
    known = {name for plan in plans if plan.rows for name in plan.names}
    return [
        plan for plan in plans if plan.latest and plan.meaning.logger and not known.issuperset(plan.names)
    ]
