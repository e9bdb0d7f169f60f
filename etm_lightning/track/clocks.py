"""What only Lightning's own counters tell: steps, ends of epochs, whose row it is, which rank this is."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any


def logger_step(trainer: Any) -> int:
    """Lightning's step for loggers: batches after which the optimizer stepped, whatever their number."""
    return int(trainer.fit_loop.epoch_loop._batches_that_stepped)


def last_batch(trainer: Any) -> bool:
    """Whether the epoch has no more training batches; Lightning logs its epoch's values after that.

    A training that goes on from a checkpoint taken now begins with the next epoch and does not repeat them.
    """
    progress = trainer.fit_loop.epoch_loop.batch_progress
    return bool(progress.is_last_batch or progress.current.ready >= trainer.num_training_batches)


def row_to_come(trainer: Any) -> bool:
    """Whether a batch is done but for its row of values, and for the validation that follows it.

    A training that goes on from a checkpoint taken now begins with the next batch.
    """
    total = trainer.fit_loop.epoch_loop.batch_progress.total
    return bool(total.ready == total.processed == total.completed + 1)


def of_evaluation_batch(trainer: Any, values: Mapping[str, Any], step: int) -> bool:
    """Whether Lightning logged this row for a batch of an evaluation, which counts its own batches."""
    seen = getattr(trainer._evaluation_loop, "_seen_batches_per_dataloader", {})
    if step not in seen.values() or trainer._results is None:
        return False
    return bool(values.keys() == trainer._results.metrics(on_step=True)["log"].keys())


def batch_under_way(trainer: Any, module: Any) -> tuple[int, int, bool]:
    """Logger step and epoch of the training batch that is under way, and whether Lightning logs its values.

    Properties are not asked, but what they read: in a training each call is a cold one.
    """
    fit = trainer.fit_loop
    step, every = fit.epoch_loop._batches_that_stepped, trainer.log_every_n_steps
    due = (every and ((step + 1) % every == 0 or trainer.should_stop)) or trainer.fast_dev_run
    if due and trainer.accumulate_grad_batches != 1:
        due = not collects(trainer, module)
    return step, fit.epoch_progress.current.completed, bool(due)


def collects(trainer: Any, module: Any) -> bool:
    """Whether the optimizer does not step after this batch, because gradients are collected over several."""
    if trainer.accumulate_grad_batches == 1 or not module.automatic_optimization:
        return False
    return bool(trainer.fit_loop._should_accumulate())


def evaluation_step(trainer: Any, dataloader: int | None) -> int:
    """Lightning's step for a row of an evaluation's batch: those that came before it."""
    return int(trainer._evaluation_loop._seen_batches_per_dataloader.get(dataloader or 0, 0))


def watches_steps(trainer: Any) -> bool:
    """Whether a checkpoint or a learning rate may depend on a value in the course of an epoch."""
    for callback in trainer.checkpoint_callbacks:
        if getattr(callback, "_every_n_train_steps", 0) or getattr(callback, "_train_time_interval", None):
            return True
    return any(
        config.reduce_on_plateau and config.interval == "step" for config in trainer.lr_scheduler_configs
    )


def rank_of(trainer: Any) -> int:
    """Global rank of this process; before the trainer knows, what the launcher says."""
    if trainer is not None:
        return int(trainer.global_rank)
    lightning = sys.modules.get("lightning_utilities.core.rank_zero")
    if lightning is not None and hasattr(lightning.rank_zero_only, "rank"):
        return int(lightning.rank_zero_only.rank or 0)
    return int(os.environ.get("RANK") or os.environ.get("LOCAL_RANK") or os.environ.get("SLURM_PROCID") or 0)
