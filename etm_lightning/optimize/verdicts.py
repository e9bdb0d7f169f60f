"""What a trial of several runs comes to, as soon as that is certain."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from etm_lightning.evaluate.summaries import spread
from etm_lightning.optimize.goal import Goal
from etm_lightning.optimize.history import Replicate, State, Trial

_AT_MOST_ONE = frozenset(("accuracy", "acc", "f1", "precision", "recall", "auroc", "auc", "iou", "dice"))


@dataclass(frozen=True)
class Verdict:
    """How a trial ends: `values` are the means over `n` runs, `sd` belongs to the first objective."""

    state: State
    values: tuple[float, ...] = ()
    sd: float | None = None
    n: int = 0
    reason: str = ""
    run: str = ""


def known_optimum(goal: Goal) -> float | None:
    """The best value that a run can have, where the name of the objective tells.

    >>> known_optimum(Goal(("val/f1",), ("maximize",))), known_optimum(Goal(("val/loss",), ("minimize",)))
    (1.0, None)
    """
    last = goal.names[0].rpartition("/")[2].lower()
    return 1.0 if goal.direction == "maximize" and last in _AT_MOST_ONE else None


def verdict(runs: Sequence[Replicate], planned: int, goal: Goal) -> Verdict | None:
    """How a trial ends; None while that is open.

    One run that failed makes the trial fail: its mean would be one over lucky seeds. One that was pruned
    makes it pruned.

    Args:
        runs: of the trial, so far.
        planned: how many there are to be.
        goal: what their values mean.
    """
    for state in ("failed", "infeasible"):
        for one in runs:
            if one.state == state:
                return Verdict(state, reason=f"{one.name}: {one.reason}".lstrip(": "), run=one.run)
    finished = [one for one in runs if one.state == "finished"]
    pruned = [one for one in runs if one.state == "pruned"]
    if pruned:
        why = pruned[0].reason if planned > 1 else ""
        return _over("pruned", finished or pruned, goal, why)
    return _over("finished", finished, goal) if len(finished) == planned else None


def hopeless(runs: Sequence[Replicate], planned: int, goal: Goal, optimum: float | None, best: Trial) -> bool:
    """Whether a trial cannot win: even if all runs to come had the best value there is.

    A value beyond `optimum` shows that it is none, so then nothing is hopeless.

    Args:
        runs: of the trial, so far.
        planned: how many there are to be.
        goal: what is better.
        optimum: the best value that a run can have; None if there is no such bound.
        best: the trial to beat.

    Source: curtailed sampling (Wetherill and Glazebrook, Sequential Methods in Statistics, 1986, chapter 1):
    stop as soon as what is left cannot change the decision.
    """
    known = [one.value for one in runs if one.state == "finished" and one.value is not None]
    if optimum is None or goal.several or best.value is None or not known:
        return False
    if any(goal.better(value, optimum) for value in (*known, best.value)):
        return False
    mean = math.fsum([*known, *[optimum] * (planned - len(known))]) / planned
    return not goal.better(mean, best.value)


def ended(runs: Sequence[Replicate], goal: Goal, reason: str) -> Verdict:
    """The verdict on a trial that is given up."""
    return _over("pruned", [one for one in runs if one.state == "finished"], goal, reason)


def _over(state: State, runs: Sequence[Replicate], goal: Goal, reason: str = "") -> Verdict:
    valued = [one for one in runs if one.values]
    if not valued:
        return Verdict(state, reason=reason, run=runs[0].run if runs else "")
    means = tuple(spread(values).mean for values in zip(*(one.values for one in valued), strict=True))
    lead = spread(one.values[0] for one in valued)
    best = valued[0]
    for one in valued[1:]:
        best = one if goal.better(one.values[0], best.values[0]) else best
    return Verdict(state, means, lead.sd, lead.n, reason, best.run)
