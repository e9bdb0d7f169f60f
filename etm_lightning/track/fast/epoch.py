"""The end of an epoch for `fast_log`: its values over all steps and ranks, and who gets to see them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from etm_lightning.track.fast.plan import Plan, reduced


class Total(NamedTuple):
    """What the steps of an epoch come to, for one name."""

    plan: Plan
    name: str
    sum: float
    weight: float

    @property
    def value(self) -> float:
        if self.plan.meaning.reduction != "mean":
            return self.sum
        return self.sum / self.weight if self.weight else float("nan")


class Value(NamedTuple):
    """An epoch's value, as a tensor where the training computes and as the number in it."""

    plan: Plan
    name: str
    tensor: Any
    number: float

    @property
    def full(self) -> str:
        """The name in the loggers."""
        return self.plan.epoch_name(self.name)


def epoch_values(plans: Iterable[Plan], device: Any, strategy: Any) -> list[Value]:
    """The values of an epoch, in the order in which they were first given."""
    totals = _over_ranks(_over_steps(plans), device, strategy)
    tensors, numbers = device.tensors([total.value for total in totals]) if totals else ((), ())
    found = zip(totals, tensors, numbers, strict=True)
    return [Value(total.plan, total.name, tensor, number) for total, tensor, number in found]


def show_epoch(connector: Any, values: Iterable[Value]) -> None:
    """Put values where monitors, the progress bar and `trainer.logged_metrics` find them."""
    for value in values:
        meaning = value.plan.meaning
        connector._callback_metrics[value.plan.bare_name(value.name)] = value.tensor
        connector._callback_metrics[value.full] = value.tensor
        if meaning.logger:
            connector._logged_metrics[value.full] = value.tensor
        if meaning.prog_bar:
            connector._progress_bar_metrics[value.full] = value.number


def show_steps(connector: Any, plan: Plan, device: Any) -> None:
    """Put the newest step's values there too; of an evaluation nobody monitors steps."""
    if plan.latest is None:
        return
    numbers, vector = plan.latest
    tensors = [*device.tensors(numbers)[0]] if numbers else []
    if vector is not None:
        tensors += vector.unbind()
    for name, tensor in zip(plan.names, tensors, strict=True):
        full = plan.step_name(name)
        if plan.meaning.logger:
            connector._logged_metrics[full] = tensor
        if plan.key.stage == "train":
            connector._callback_metrics[plan.bare_name(name)] = tensor
            connector._callback_metrics[full] = tensor


def _over_steps(plans: Iterable[Plan]) -> list[Total]:
    """Totals by hook, data loader and name: several calls may have given the same name."""
    found: dict[Any, Total] = {}
    for plan in plans:
        sums = [*plan.near_sums, *(() if plan.far_sums is None else plan.far_sums.tolist())]
        names = [*(plan.near if plan.near_sums else ()), *(() if plan.far_sums is None else plan.far)]
        for name, sum in zip(names, sums, strict=True):
            new = Total(plan, name, sum, plan.weight)
            old = found.get((plan.key, name), new)
            if old is not new:
                both = reduced(plan.meaning.reduction, old.sum, sum)
                new = Total(plan, name, both, old.weight + new.weight)
            found[plan.key, name] = new
    return list(found.values())


def _over_ranks(totals: Sequence[Total], device: Any, strategy: Any) -> list[Total]:
    """Totals over the ranks, where that is wanted, with one collective for each way to reduce."""
    shared = sorted(
        (n for n, total in enumerate(totals) if total.plan.meaning.sync_dist),
        key=lambda n: (totals[n].plan.key.fx, totals[n].plan.key.suffix, totals[n].name),
    )
    found = list(totals)
    for reduction in sorted({totals[n].plan.meaning.reduction for n in shared}):
        mine = [n for n in shared if totals[n].plan.meaning.reduction == reduction]
        numbers = [totals[n].sum for n in mine]
        if reduction == "mean":
            numbers += [totals[n].weight for n in mine]
        numbers = device.reduce(strategy, numbers, "sum" if reduction == "mean" else reduction)
        weights = numbers[len(mine) :] or [1.0] * len(mine)
        for n, sum, weight in zip(mine, numbers, weights, strict=False):
            found[n] = totals[n]._replace(sum=sum, weight=weight)
    return found
