"""What a group of runs was to make small or large: the score that decided which checkpoint is the best."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from etm_lightning.store.run import StoredRun

Mode = Literal["min", "max"]


@dataclass(frozen=True)
class Objective:
    """A metric and its better direction."""

    metric: str
    mode: Mode


def objective(runs: Iterable[StoredRun], *, metric: str = "", mode: str = "") -> Objective | None:
    """What most of `runs` watched for their best checkpoint; None if none did.

    Args:
        runs: runs of a group or project.
        metric: ask for this metric instead.
        mode: ``min`` or ``max``; by default what the runs say for the metric, else ``min``.

    Raises:
        ValueError: if `mode` is neither, or `metric` is one that was measured on test data.
    """
    if mode not in ("", "min", "max"):
        raise ValueError(f"`mode` must be 'min' or 'max' but got {mode!r}")
    runs = list(runs)
    watched = Counter(
        (best.monitor, best.mode) for run in runs if (best := run.best_checkpoint) and best.monitor
    )
    if metric:
        _refuse_test(runs, metric)
        watched = Counter({known: n for known, n in watched.items() if known[0] == metric}) or Counter(
            [(metric, "")]
        )
    if not watched:
        return None
    (name, recorded), _ = min(watched.items(), key=lambda item: (-item[1], item[0]))
    return Objective(name, "max" if (mode or recorded) == "max" else "min")


def _refuse_test(runs: list[StoredRun], metric: str) -> None:
    stages = {run.stages.get(metric) for run in runs}
    if "test" in stages:
        raise ValueError(
            f"`metric` must be measured in validation but {metric!r} comes from test data. "
            "Choosing by test values spoils them; name a validation metric."
        )


def value(run: StoredRun, objective: Objective) -> float | None:
    """The run's score: that of its best checkpoint, else the metric there; None without a finite number."""
    best = run.best_checkpoint
    found: float | None = None
    if best and best.monitor == objective.metric and best.score is not None:
        found = best.score
    elif run.stages.get(objective.metric, "test") != "test":
        found = run.headline.get(objective.metric)
    return found if found is not None and math.isfinite(found) else None
