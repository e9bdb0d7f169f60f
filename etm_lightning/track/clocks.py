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


def rank_of(trainer: Any) -> int:
    """Global rank of this process; before the trainer knows, what the launcher says."""
    if trainer is not None:
        return int(trainer.global_rank)
    lightning = sys.modules.get("lightning_utilities.core.rank_zero")
    if lightning is not None and hasattr(lightning.rank_zero_only, "rank"):
        return int(lightning.rank_zero_only.rank or 0)
    return int(os.environ.get("RANK") or os.environ.get("LOCAL_RANK") or os.environ.get("SLURM_PROCID") or 0)
