"""What the arguments of `fast_log` mean in the hook that calls it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from numbers import Number
from typing import Any, NamedTuple

from etm_lightning.track.fast.plan import Key, Meaning, Plan
from etm_lightning.track.fast.values import check_kinds, kind_of, reader

REDUCTIONS = ("mean", "sum", "min", "max")


class Options(NamedTuple):
    """How values are to be logged, as the caller said."""

    on_step: bool | None
    on_epoch: bool | None
    prog_bar: bool
    reduce_fx: Any
    sync_dist: bool
    logger: bool


class Asked(NamedTuple):
    """Who asks for what."""

    key: Key
    options: Options
    far: tuple[int, ...]
    """Which of the values are on a device."""
    batch_size: int | None
    apart: bool
    """Whether there may be tensors on a device."""


class Rules(NamedTuple):
    """What is Lightning's own to know."""

    validator: Any
    """Its table of hooks that may log."""
    tensor: type[Any]
    metric: type[Any]
    collection: type[Any]
    batch_size_of: Callable[[Any], int]


def planned(rules: Rules, module: Any, asked: Asked, values: Mapping[str, Any]) -> Plan:
    """What is to be done with values like these until the epoch ends.

    Raises:
        TypeError: if a name is no text.
        ValueError: if a name or an argument does not fit.
        Exception: Lightning's own, if the hook may not log, or not like this.
    """
    check_names(values)
    names, kinds = list(values), [type(value) for value in values.values()]
    check_kinds(kinds, names, (Number, rules.tensor, rules.metric))
    meaning = _meaning(rules.validator, module, asked)
    once = rules.validator.functions[asked.key.fx]["allowed_on_step"] == (False,)
    passed = [n for n, kind in enumerate(kinds) if once or issubclass(kind, rules.metric)]
    far = [n for n in asked.far if n not in passed]
    near = [n for n in range(len(names)) if n not in {*passed, *far}]
    plan = Plan(asked.key, meaning, [names[n] for n in near], [names[n] for n in far])
    plan.near_at, plan.far_at = None if len(near) == len(names) else near, far
    plan.kind, plan.options = kind_of([kinds[n] for n in near], rules.tensor), asked.options
    if not passed and not far and (not asked.apart or plan.kind == "floats"):
        plan.read = reader(names, kinds, rules.tensor)
        plan.alike = plan.kind == "floats" and plan.near_steps == names and not meaning.sync_dist
    plan.passed, plan.always = [names[n] for n in passed], once or meaning.on_step
    return plan


def reduction_of(reduce_fx: Any) -> str:
    """The name of a reduction: ``mean``, ``sum``, ``min`` or ``max``.

    Raises:
        ValueError: if it is another one, whose memory would grow with the epoch.

    >>> reduction_of(max)
    'max'
    """
    name = reduce_fx.lower() if isinstance(reduce_fx, str) else _function_name(reduce_fx)
    name = "mean" if name == "avg" else name
    if name not in REDUCTIONS:
        raise ValueError(
            f"`reduce_fx` must be one of {', '.join(REDUCTIONS)}, or torch's function, but got {reduce_fx!r};"
            " for another reduction log a `torchmetrics.Metric`"
        )
    return name


def check_names(values: Mapping[Any, Any]) -> None:
    """Raise on what cannot name a metric.

    Raises:
        TypeError: if a name is no text.
        ValueError: if it says which data loader it is of, as Lightning will.
    """
    for name in values:
        if not isinstance(name, str):
            raise TypeError(f"`values` must have texts as names but got {name!r}")
        if "/dataloader_idx_" in name:
            raise ValueError(f"`values` must have names without the number of a data loader but got {name!r}")


def _meaning(validator: Any, module: Any, asked: Asked) -> Meaning:
    key, options, _, batch_size, _ = asked
    on_step, on_epoch = validator.check_logging_and_get_default_levels(
        key.fx, on_step=options.on_step, on_epoch=options.on_epoch
    )
    if not on_step and not on_epoch:
        raise ValueError("`on_step` and `on_epoch` must not both be False: nothing would be logged")
    if key.stage == "train" and batch_size is None and _takes_iterator(module):
        raise ValueError("`batch_size` must be given in a `training_step(self, dataloader_iter)`")
    return Meaning(
        on_step=on_step,
        on_epoch=on_epoch,
        prog_bar=bool(options.prog_bar),
        reduction=reduction_of(options.reduce_fx),
        sync_dist=bool(options.sync_dist) and module._trainer.world_size > 1,
        logger=bool(options.logger),
    )


def _takes_iterator(module: Any) -> bool:
    return "dataloader_iter" in inspect.signature(module.training_step).parameters


def _function_name(function: Any) -> str:
    """The name of a function of torch or of Python itself; "" of any other."""
    known = getattr(function, "__module__", None) in (
        None,
        "builtins",
        "torch",
        "torch._C._VariableFunctions",
    )
    return str(getattr(function, "__name__", "")) if known else ""
