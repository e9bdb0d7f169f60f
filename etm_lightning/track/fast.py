"""The way of values from `fast_log` to loggers, monitors and the progress bar of a Trainer."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

from etm_lightning.track.clocks import collects, evaluation_step, logger_step, row_due, watches_steps
from etm_lightning.track.fast_epoch import Value, epoch_values, show_epoch, show_steps
from etm_lightning.track.fast_options import Asked, Options, Rules, planned
from etm_lightning.track.fast_plan import Key, Plan, check_same
from etm_lightning.track.fast_rows import Lag, Place, Row, write
from etm_lightning.track.fast_values import numbers
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
        self._plans: dict[Any, Plan] = {}
        self._device: Any = None
        self._apart = self._watched = False

    def __reduce__(self) -> Any:
        return type(self), ()

    def begin(self, trainer: Any, device: Any = None) -> None:
        """Know where this Trainer computes; nothing has been logged yet."""
        if device is None:
            device = importlib.import_module("etm_lightning.track.on_torch").Device(
                trainer.strategy.root_device
            )
        self._device, self._apart = device, device.apart
        self._plans = {}
        self._lag = Lag(device.start, partial(_deliver, trainer))

    # -- a call ---------------------------------------------------------------------------------------------

    def take(self, module: Any, values: Any, options: tuple[Any, ...], batch_size: int | None) -> None:
        """Take the values of one call."""
        if type(values) is not dict and not isinstance(values, Mapping):
            self._pass_collection(module, values, Options(*options), batch_size)
            return
        fx, trainer = module._current_fx_name, module._trainer
        dataloader = None if fx == "training_step" else _dataloader(trainer, fx)
        given = list(values.values())
        far = self._far(given) if self._apart else ()
        key = fx, dataloader, options, tuple(values), tuple(map(type, given)), far
        plan = self._plans.get(key)
        if plan is None:
            asked = Asked(Key(fx, dataloader), Options(*options), far, batch_size)
            plan = self._plans[key] = self._planned(module, asked, values)
        if plan.passed:
            _pass_on(module, plan, values, Options(*options), batch_size)
        if plan.near or plan.far:
            self._take(module, plan, given, batch_size)

    def _take(self, module: Any, plan: Plan, given: list[Any], batch_size: int | None) -> None:
        near = given if plan.near_at is None else [given[n] for n in plan.near_at]
        found, vector = numbers(near, plan.near, plan.kind), None
        if plan.far:
            vector = self._device.stacked([given[n] for n in plan.far_at], plan.far)
        meaning, trainer = plan.meaning, module._trainer
        if meaning.on_epoch:
            weight = self._weight(trainer, plan, batch_size) if meaning.reduction == "mean" else 1
            plan.add(found, weight)
            if plan.far:
                plan.far_sums = self._device.add(plan.far_sums, vector, meaning.reduction, weight)
        if meaning.on_step:
            if meaning.sync_dist:
                found = self._device.reduce(trainer.strategy, found, meaning.reduction) if found else found
                if vector is not None:
                    vector = self._device.reduce(trainer.strategy, vector, meaning.reduction)
            plan.latest = found, vector
            self._step(module, trainer, plan)

    def _step(self, module: Any, trainer: Any, plan: Plan) -> None:
        """The values of a batch are there: a row of them, if Lightning would write one."""
        stage = plan.key.stage
        if stage != "train":
            if not trainer.sanity_checking:
                plan.place = Place(stage, "eval_batch", evaluation_step(trainer, plan.key.dataloader), None)
                self._row(trainer, plan)
            return
        step = logger_step(trainer)
        plan.place = Place(stage, "step", step, trainer.current_epoch)
        plan.settled = row_due(trainer, module, step)
        if self._apart:
            self._lag.poll(plan.place)
        if plan.settled:
            self._row(trainer, plan)
        elif plan.meaning.prog_bar and plan.latest:
            bar = trainer._logger_connector._progress_bar_metrics
            bar.update(zip(plan.near_steps, plan.latest[0], strict=True))
        if self._watched:
            show_steps(trainer._logger_connector, plan, self._device)

    def _row(self, trainer: Any, plan: Plan) -> None:
        assert plan.latest is not None
        found, vector = plan.latest
        plan.rows += 1
        values = dict(zip(plan.near_steps, found, strict=True))
        row = Row(plan.place, values, plan.far_steps, vector, plan.meaning.logger, plan.meaning.prog_bar)
        if vector is None:
            _deliver(trainer, row)
        else:
            self._lag.put(row)

    def _weight(self, trainer: Any, plan: Plan, batch_size: int | None) -> float:
        """What the values weigh in the epoch's mean: the size of the batch, which Lightning guesses once."""
        if batch_size is not None:
            return batch_size
        train = plan.key.stage == "train"
        results = (trainer.fit_loop.epoch_loop if train else trainer._evaluation_loop)._results
        if results.batch_size is None:
            if results.batch is None:
                return 1
            results.batch_size = self.rules.batch_size_of(results.batch)
        return float(results.batch_size)

    def _far(self, given: list[Any]) -> tuple[int, ...]:
        """Which of the values are on a device."""
        tensor, keeps = self.rules.tensor, self._device.keeps
        return tuple(n for n, value in enumerate(given) if isinstance(value, tensor) and keeps(value))

    def _planned(self, module: Any, asked: Asked, values: Mapping[str, Any]) -> Plan:
        plan = planned(self.rules, module, asked, values)
        check_same(self._plans, plan)
        self._watched = watches_steps(module._trainer)
        return plan

    def _pass_collection(self, module: Any, values: Any, options: Options, batch_size: int | None) -> None:
        if not isinstance(values, self.rules.collection):
            raise TypeError(
                f"`values` must be a mapping of names to values but got {type(values).__name__};"
                " give one value as {name: value}"
            )
        module.log_dict(values, **options._asdict(), batch_size=batch_size)

    # -- the hooks ------------------------------------------------------------------------------------------

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        self.begin(trainer)

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        self._forget("train")

    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        self._forget("validate")
        if not trainer.sanity_checking:
            self._settle(trainer, pl_module, logger_step(trainer))

    def on_test_start(self, trainer: Any, pl_module: Any) -> None:
        self._forget("test")

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        step, epoch = logger_step(trainer) - 1, trainer.current_epoch
        self._settle(trainer, pl_module, step)
        for plan in self._of("train"):
            if (
                plan.latest is not None
                and plan.meaning.logger
                and not plan.rows
                and trainer.log_every_n_steps
            ):
                write(trainer, plan.place, plan.steps(), ours_only=True)
        values = {
            value.full: value.number for value in self._ended(trainer, "train") if value.plan.meaning.logger
        }
        if values:
            write(trainer, Place("train", "step", step, epoch), values)

    def on_validation_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        self._end_evaluation(trainer, "validate")

    def on_test_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        self._end_evaluation(trainer, "test")

    def on_save_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        self._lag.wait()  # what the checkpoint's step has seen comes before its mark

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        try:
            self._lag.wait()
        except Exception as error:  # a device that failed gives nothing back
            text = f"rows of `fast_log` that stayed on the device: {self._lag.drop()} ({error})"
            log.warning(text)
            for logger in trainer.loggers:
                if isinstance(logger, ETMLogger):
                    logger.run.alert("rows are lost", text, level="error")

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        self._lag.wait()

    # -- the end of an epoch --------------------------------------------------------------------------------

    def _of(self, stage: str) -> list[Plan]:
        return [plan for plan in self._plans.values() if plan.key.stage == stage]

    def _forget(self, stage: str) -> None:
        self._plans = {key: plan for key, plan in self._plans.items() if plan.key.stage != stage}

    def _settle(self, trainer: Any, module: Any, step: int) -> None:
        """Show training's newest values; if it was told to stop at the last batch, write that batch's row."""
        for plan in self._of("train"):
            show_steps(trainer._logger_connector, plan, self._device)
            last = plan.latest is not None and plan.place.step == step and not plan.settled
            plan.settled = True
            if last and trainer.should_stop and trainer.log_every_n_steps and not collects(trainer, module):
                self._row(trainer, plan)
        self._lag.wait()

    def _ended(self, trainer: Any, stage: str) -> list[Value]:
        """The epoch's values, which are shown from now on."""
        self._lag.wait()
        values = epoch_values(self._of(stage), self._device, trainer.strategy)
        show_epoch(trainer._logger_connector, values)
        self._forget(stage)
        return values

    def _end_evaluation(self, trainer: Any, stage: str) -> None:
        for plan in self._of(stage):
            show_steps(trainer._logger_connector, plan, self._device)
        values = self._ended(trainer, stage)
        if trainer.sanity_checking:
            return
        outputs = trainer._evaluation_loop._logged_outputs  # the row, the table, and what `validate` returns
        for value in values:
            if value.plan.meaning.logger:
                place = value.plan.key.dataloader or 0
                outputs[min(place, len(outputs) - 1)][value.full] = value.tensor


def _deliver(trainer: Any, row: Row) -> None:
    """A row whose numbers are all there, to the loggers and the bar."""
    if row.logger and trainer.loggers:
        write(trainer, row.place, row.values)
    if row.prog_bar:
        trainer._logger_connector._progress_bar_metrics.update(row.values)


def _pass_on(module: Any, plan: Plan, values: Any, options: Options, batch_size: int | None) -> None:
    """Let Lightning log what it alone can; what it computes at the end of the epoch it needs only once."""
    for name in plan.passed:
        if plan.always or plan.known.get(name) is not values[name]:
            plan.known[name] = values[name]
            module.log(name, values[name], **options._asdict(), batch_size=batch_size)


def _dataloader(trainer: Any, fx: str | None) -> int | None:
    """Which data loader of an evaluation this batch is of; None if there is one."""
    if fx is None:
        raise RuntimeError("`fast_log` must be called in a hook or a step that the Trainer calls")
    if "validation" not in fx and "test" not in fx:
        return None
    found: int | None = trainer._evaluation_loop._results.dataloader_idx
    return found
