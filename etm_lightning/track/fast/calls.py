"""The calls of `fast_log` in a Trainer: rows of their values, and what the epoch needs of them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from etm_lightning.track.clocks import batch_under_way, evaluation_step, watches_steps
from etm_lightning.track.fast.epoch import show_steps
from etm_lightning.track.fast.options import Asked, Options, Rules, planned
from etm_lightning.track.fast.plan import Key, Plan, check_same
from etm_lightning.track.fast.rows import Lag, Row, write
from etm_lightning.track.fast.values import numbers


class Calls:
    """Takes values, call by call.

    Args:
        rules: what is Lightning's own to know.
        trainer: whose calls they are.
        device: where it computes.

    Attributes:
        plans: what is done with values like those given before, in this epoch.
        lag: the rows that a device has not sent yet.
    """

    def __init__(self, rules: Rules, trainer: Any, device: Any) -> None:
        self._rules, self.device = rules, device
        self.plans: dict[Any, Plan] = {}
        self.lag = Lag(device.start, partial(_arrived, trainer))
        self._watched = False
        self._last: Plan | None = None  # whose values came last
        self._next: Plan | None = None  # whose values are expected

    def of(self, stage: str) -> list[Plan]:
        return [plan for plan in self.plans.values() if plan.stage == stage]

    def forget(self, stage: str) -> None:
        for plan in self.plans.values():
            plan.after = None
        self._last = self._next = None
        self.plans = {key: plan for key, plan in self.plans.items() if plan.stage != stage}

    def take(self, module: Any, values: Any, options: tuple[Any, ...], batch_size: int | None) -> None:
        """Take the values of one call."""
        fx, plan = module._current_fx_name, self._next
        # are they like those that came at this point of the last step?
        if (
            plan is not None
            and plan.read is not None
            and plan.key.fx == fx
            and plan.options == options
            and (fx == "training_step" or plan.key.dataloader == _dataloader(module._trainer, fx))
        ):
            try:
                found = plan.read(values)
            except Exception:  # the long way tells which of the values it is
                found = None
            if found is not None:
                self._last, self._next = plan, plan.after
                self._use(module, plan, found, None, batch_size, values)
                return
        self._take_any(module, values, options, batch_size)

    def _take_any(self, module: Any, values: Any, options: tuple[Any, ...], batch_size: int | None) -> None:
        """`take` for whatever may come."""
        if not isinstance(values, Mapping):
            self._pass_collection(module, values, Options(*options), batch_size)
            return
        fx = module._current_fx_name
        dataloader = None if fx == "training_step" else _dataloader(module._trainer, fx)
        given = list(values.values())
        far = self._far(given) if self.device.apart else ()
        key = fx, dataloader, options, tuple(values), tuple(map(type, given)), far
        plan = self.plans.get(key)
        if plan is None:
            asked = Asked(Key(fx, dataloader), Options(*options), far, batch_size, self.device.apart)
            plan = self.plans[key] = self._planned(module, asked, values)
        if self._last is not None:
            self._last.after = plan
        self._last, self._next = plan, plan.after
        if plan.passed:
            _pass_on(module, plan, values, Options(*options), batch_size)
        if plan.near or plan.far:
            near = given if plan.near_at is None else [given[n] for n in plan.near_at]
            found, vector = numbers(near, plan.near, plan.kind), None
            if plan.far:
                vector = self.device.stacked([given[n] for n in plan.far_at], plan.far)
            self._use(module, plan, found, vector, batch_size)

    def _use(
        self,
        module: Any,
        plan: Plan,
        found: list[float],
        vector: Any,
        batch_size: int | None,
        values: Any = None,
    ) -> None:
        """Give the numbers of a call to the epoch, and to the loggers if Lightning would write a row now.

        Args:
            module: whose they are.
            plan: what is done with them.
            found: those in this process's memory.
            vector: those on a device.
            batch_size: what they weigh, if the caller said it.
            values: what they were taken from, if nothing else was in there.
        """
        meaning, trainer = plan.meaning, module._trainer
        if meaning.on_epoch:
            weight = self._weight(trainer, plan, batch_size) if meaning.reduction == "mean" else 1
            plan.add(found, weight)
            if plan.far:
                plan.far_sums = self.device.add(plan.far_sums, vector, meaning.reduction, weight)
        if not meaning.on_step:
            return
        if meaning.sync_dist:
            found = self.device.reduce(trainer.strategy, found, meaning.reduction) if found else found
            if vector is not None:
                vector = self.device.reduce(trainer.strategy, vector, meaning.reduction)
        plan.latest = found, vector
        if plan.stage != "train":
            if not trainer.sanity_checking:
                plan.step = evaluation_step(trainer, plan.key.dataloader)
                self.row(trainer, plan, values)
            return
        plan.step, plan.epoch, plan.settled = batch_under_way(trainer, module)
        if self.device.apart:
            self.lag.poll(plan.place)
        if plan.settled:
            self.row(trainer, plan, values)
        elif meaning.prog_bar:
            _show(trainer, zip(plan.near_steps, found, strict=True))
        if self._watched:
            show_steps(trainer._logger_connector, plan, self.device)

    def row(self, trainer: Any, plan: Plan, values: Any = None) -> None:
        """Give the plan's newest values to the loggers, now or when a device has sent them.

        Args:
            trainer: whose loggers.
            plan: whose values.
            values: those that were given, if nothing else was in there.
        """
        assert plan.latest is not None
        found, vector = plan.latest
        meaning = plan.meaning
        plan.rows += 1
        if values is None or not plan.alike:
            values = plan.row
            values.update(zip(plan.near_steps, found, strict=True))
        if vector is not None:
            self.lag.put(
                Row(plan.place, dict(values), plan.far_steps, vector, meaning.logger, meaning.prog_bar)
            )
            return
        if meaning.logger:
            write(trainer, values, plan.stage, plan.axis, plan.step, plan.epoch)
        if meaning.prog_bar:
            _show(trainer, values)

    def _weight(self, trainer: Any, plan: Plan, batch_size: int | None) -> float:
        """What the values weigh in the epoch's mean: the size of the batch, which Lightning guesses once."""
        if batch_size is not None:
            return batch_size
        train = plan.stage == "train"
        results = (trainer.fit_loop.epoch_loop if train else trainer._evaluation_loop)._results
        if results.batch_size is None:
            if results.batch is None:
                return 1
            batch, rules = results.batch, self._rules
            results.batch_size = _examples(batch, rules.tensor) or rules.batch_size_of(batch)
        return float(results.batch_size)

    def _far(self, given: list[Any]) -> tuple[int, ...]:
        """Which of the values are on a device."""
        tensor, keeps = self._rules.tensor, self.device.keeps
        return tuple(n for n, value in enumerate(given) if isinstance(value, tensor) and keeps(value))

    def _planned(self, module: Any, asked: Asked, values: Mapping[str, Any]) -> Plan:
        plan = planned(self._rules, module, asked, values)
        check_same(self.plans, plan)
        self._watched = watches_steps(module._trainer)
        return plan

    def _pass_collection(self, module: Any, values: Any, options: Options, batch_size: int | None) -> None:
        if not isinstance(values, self._rules.collection):
            raise TypeError(
                f"`values` must be a mapping of names to values but got {type(values).__name__};"
                " give one value as {name: value}"
            )
        module.log_dict(values, **options._asdict(), batch_size=batch_size)


def _arrived(trainer: Any, row: Row) -> None:
    """The numbers of a row have come from a device."""
    if row.logger:
        write(trainer, row.values, *row.place)
    if row.prog_bar:
        _show(trainer, row.values)


def _show(trainer: Any, values: Any) -> None:
    """Put values into the progress bar."""
    trainer._logger_connector._progress_bar_metrics.update(values)


def _examples(batch: Any, tensor: type[Any]) -> int | None:
    """How many examples are in a tensor, or in several with as many each; None if it may be otherwise."""
    size: int | None = None
    for one in batch if type(batch) in (list, tuple) else (batch,):
        shape = one.shape if type(one) is tensor else ()
        if not shape or size not in (None, shape[0]):
            return None
        size = shape[0]
    return size


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
