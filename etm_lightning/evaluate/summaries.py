"""Numbers that stand for many: mean and spread, the summary of a series, the band of several."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from etm_lightning.store.run import StoredRun
from etm_lightning.store.series import Point


@dataclass(frozen=True)
class Spread:
    """Mean and sample standard deviation (n - 1) of `n` values; `sd` is None for a single one."""

    n: int
    mean: float
    sd: float | None

    def __str__(self) -> str:
        return f"{self.mean:.4g}" if self.sd is None else f"{self.mean:.4g} ± {self.sd:.2g}"


@dataclass(frozen=True)
class Summary:
    """A series in a few numbers; `spread` is over its finite values, None if it has none."""

    count: int
    nonfinite: int
    first: Point
    latest: Point
    spread: Spread | None


@dataclass(frozen=True)
class Band:
    """What the values of several runs at one step come to."""

    step: int
    spread: Spread
    min: float
    max: float


def spread(values: Iterable[float]) -> Spread:
    """Mean and sample standard deviation of finite `values`, in two passes.

    Raises:
        ValueError: if there are none.

    >>> print(spread([1.0, 2.0, 3.0]))
    2 ± 1
    """
    numbers = list(values)
    if not numbers:
        raise ValueError("`values` must hold a number at least but got none")
    mean = math.fsum(numbers) / len(numbers)
    if len(numbers) == 1:
        return Spread(1, mean, None)
    variance = math.fsum((number - mean) ** 2 for number in numbers) / (len(numbers) - 1)
    return Spread(len(numbers), mean, math.sqrt(variance))


def summarize(points: Sequence[Point]) -> Summary | None:
    """A series in a few numbers; None if it has no points."""
    if not points:
        return None
    finite = [point.value for point in points if math.isfinite(point.value)]
    return Summary(
        len(points), len(points) - len(finite), points[0], points[-1], spread(finite) if finite else None
    )


def band(runs: Iterable[StoredRun], name: str) -> list[Band]:
    """The series `name` of several runs, step by step; at each step the runs that have a finite value there.

    Where a run has several values at a step, its last one counts.
    """
    at: dict[int, list[float]] = {}
    for run in runs:
        latest = {point.step: point.value for point in run.series(name)}
        for step, value in latest.items():
            if math.isfinite(value):
                at.setdefault(step, []).append(value)
    return [Band(step, spread(at[step]), min(at[step]), max(at[step])) for step in sorted(at)]
