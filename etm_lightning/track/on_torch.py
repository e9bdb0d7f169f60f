"""`fast_log`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch.compiler import is_dynamo_compiling

from etm_lightning.track.fast.trainer import calls_of

if TYPE_CHECKING:
    from torchmetrics import MetricCollection


def fast_log(
    module: Any,
    values: Mapping[str, Any] | MetricCollection,
    *,
    on_step: bool | None = None,
    on_epoch: bool | None = None,
    prog_bar: bool = False,
    batch_size: int | None = None,
    reduce_fx: str | Callable[..., Any] = "mean",
    sync_dist: bool = False,
    logger: bool = True,
) -> None:
    """Log values as `LightningModule.log_dict` does, without what that costs for each of them.

    Arguments mean what they mean there. Rows have the names, steps, epochs and stages that they would have;
    each call is a row of its own. Tensors are never waited for: those of an accelerator are copied later.

    Args:
        module: the LightningModule that is trained.
        values: by name a number, a tensor with one element, or a `torchmetrics.Metric` of the module; or a
            `torchmetrics.MetricCollection`, as `log_dict` takes it.
        on_step: record each step's value; by default as the hook has it: training yes, evaluation no.
        on_epoch: record the epoch's value; by default as the hook has it: training no, evaluation yes.
        prog_bar: show them in the progress bar.
        batch_size: what a value weighs in the epoch's mean; by default Lightning's guess from the batch.
        reduce_fx: ``mean``, ``sum``, ``min`` or ``max``, over the epoch's batches.
        sync_dist: reduce over the ranks too, with one collective for the call.
        logger: give them to the loggers; otherwise only to the bar and to who monitors them.

    Raises:
        TypeError: if `values` is no mapping of names.
        ValueError: if a value is not one number, or the arguments do not fit.

    Example::

        def training_step(self, batch, batch_idx):
            loss, accuracy = self.losses(batch)
            fast_log(self, {"train/loss": loss, "train/accuracy": accuracy})
            return loss
    """
    options = (on_step, on_epoch, prog_bar, reduce_fx, sync_dist, logger)
    if is_dynamo_compiling():  # what is compiled goes on after this call, which is never traced
        _untraced(module, values, options, batch_size)
        return
    calls = calls_of(module)
    if calls is not None:
        calls.take(module, values, options, batch_size)


@torch.compiler.disable  # type: ignore[untyped-decorator]  # torch does not type it
def _untraced(module: Any, values: Any, options: tuple[Any, ...], batch_size: int | None) -> None:
    """The rest of `fast_log`; apart, since each call of what is decorated costs as much as several values."""
    calls = calls_of(module)
    if calls is not None:
        calls.take(module, values, options, batch_size)
