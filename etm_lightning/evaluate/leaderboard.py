"""Which settings did best."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from etm_lightning.evaluate.objective import Objective, objective, value
from etm_lightning.evaluate.replicates import Replicates, canonical, replicates
from etm_lightning.evaluate.summaries import Spread, spread
from etm_lightning.params import flatten, incidental
from etm_lightning.store.run import StoredRun


@dataclass(frozen=True)
class Row:
    """Replicates and how they did.

    `place` counts from 1; rows of pruned runs alone follow the others. `score` is over one run for each seed,
    `best` the best of these. `params` are those that differ between rows, by dotted name; `metrics` the means
    of the headline values, `tests` of those on test data, of the runs themselves or of runs that evaluate
    them. `evaluations` are the latter.
    """

    place: int
    status: str
    score: Spread
    best: StoredRun
    runs: tuple[StoredRun, ...]
    pruned: int
    params: dict[str, Any]
    metrics: dict[str, float]
    tests: dict[str, float]
    evaluations: tuple[StoredRun, ...]
    flags: tuple[str, ...]


@dataclass(frozen=True)
class Leaderboard:
    """Rows from best to worst, and the runs that have no place, each with the reason."""

    objective: Objective | None
    rows: tuple[Row, ...]
    unranked: tuple[tuple[StoredRun, str], ...]
    varying: tuple[str, ...]

    @property
    def winner(self) -> Row | None:
        """The best row that finished; its `best` is the best run."""
        first = self.rows[0] if self.rows else None
        return first if first and first.status == "finished" else None


def leaderboard(runs: Iterable[StoredRun], *, metric: str = "", mode: str = "") -> Leaderboard:
    """Rank the runs of a group or project by the validation score of their best checkpoints.

    Test values are shown and never ranked on. A run that evaluates another one is attached to it.

    Args:
        runs: the runs, with those that evaluate them.
        metric: rank by this metric at the best checkpoint instead of the score that chose it.
        mode: ``min`` or ``max``; by default what the runs recorded.

    Raises:
        ValueError: if `mode` is neither, or `metric` is one that was measured on test data.
    """
    given = list(runs)
    trained = [run for run in given if not run.evaluates]
    goal = objective(trained, metric=metric, mode=mode)
    if goal is None:
        return Leaderboard(None, (), tuple((run, _why(run, None)) for run in trained), ())
    found = {run.id: number for run in trained if (number := value(run, goal)) is not None}
    fit = [run for run in trained if run.id in found and run.status in ("finished", "pruned")]
    sets = replicates(fit)
    names = varying([same.runs[0].params for same in sets])
    tested = [run for run in given if run.evaluates]
    rows = [_row(same, found, goal, names, tested) for same in sets]
    sign = -1 if goal.mode == "max" else 1
    rows.sort(key=lambda row: (row.status != "finished", sign * row.score.mean, -row.score.n, row.best.id))
    ranked = tuple(replace(row, place=place) for place, row in enumerate(rows, 1))
    placed = set(fit)
    rest = [(run, _why(run, goal)) for run in trained if run not in placed]
    rest += [
        (run, "another run of its seed counts")
        for same in sets
        for run in same.runs
        if run not in same.counted
    ]
    return Leaderboard(goal, ranked, tuple(rest), names)


def _row(
    same: Replicates,
    found: Mapping[str, float],
    goal: Objective,
    names: Sequence[str],
    tested: Sequence[StoredRun],
) -> Row:
    finished = [run for run in same.counted if run.status == "finished"]
    counted = finished or list(same.counted)
    choose: Callable[..., StoredRun] = max if goal.mode == "max" else min
    flat = flatten(same.runs[0].params)
    ids = {run.id for run in counted}
    evaluations = tuple(run for run in tested if run.evaluates in ids)
    return Row(
        place=0,
        status="finished" if finished else "pruned",
        score=spread(found[run.id] for run in counted),
        best=choose(counted, key=lambda run: found[run.id]),
        runs=tuple(counted),
        pruned=sum(run.status == "pruned" for run in same.counted),
        params={name: flat[name] for name in names if name in flat},
        metrics=_means(counted, lambda stage: stage != "test"),
        tests=_means([*counted, *evaluations], lambda stage: stage == "test"),
        evaluations=evaluations,
        flags=same.flags,
    )


def _means(runs: Iterable[StoredRun], wanted: Callable[[str], bool]) -> dict[str, float]:
    """The mean of each finite headline value, over the runs that have it."""
    values: dict[str, list[float]] = {}
    for run in runs:
        for name, number in run.headline.items():
            if wanted(run.stages[name]) and math.isfinite(number):
                values.setdefault(name, []).append(number)
    return {name: spread(numbers).mean for name, numbers in values.items()}


def varying(configs: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """The settings, by dotted name, that are not the same in all of `configs`.

    Of settings that have one last name and always one value, as by interpolation, the shortest name stays.

    >>> varying([{"lr": 1, "model": {"lr": 1}, "seed": 1}, {"lr": 2, "model": {"lr": 2}, "seed": 2}])
    ('lr',)
    """
    flat = [flatten(config) for config in configs]
    names = sorted({name for config in flat for name in config if not incidental(name)}, key=_length)
    found: dict[tuple[str, tuple[bytes, ...]], str] = {}
    for name in names:
        values = tuple(canonical(config[name]) if name in config else b"" for config in flat)
        if len(set(values)) > 1:
            found.setdefault((name.rpartition(".")[2], values), name)
    return tuple(sorted(found.values()))


def _length(name: str) -> tuple[int, str]:
    return name.count("."), name


def _why(run: StoredRun, goal: Objective | None) -> str:
    if run.status not in ("finished", "pruned"):
        return run.status
    return f"no value of {goal.metric}" if goal else "no best checkpoint"
