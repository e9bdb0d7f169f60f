"""How sure one may be that one setting is better than another, from a few runs of each."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from etm_lightning.evaluate.summaries import Spread, spread

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Difference:
    """A difference of two means.

    Attributes:
        mean: that of the other setting minus that of the baseline.
        ci: the interval that holds the true difference in 95 of 100 cases; None with too few values.
        p: how likely such a difference is, or a larger one, if there is none; None with too few values.
        test: what was computed, or why nothing was.
    """

    mean: float
    ci: tuple[float, float] | None
    p: float | None
    test: str


def difference(baseline: Mapping[Any, float], other: Mapping[Any, float]) -> Difference:
    """The difference of two settings, each with the values of its runs by what chance they had.

    Where both had the same seeds they are compared seed by seed (Student's paired t-test), else as two
    samples whose spread may differ (Welch's t-test).

    Args:
        baseline: finite values by seed and fold.
        other: the same of the other setting.

    Raises:
        ValueError: if either has no values.
        ImportError: without scipy.

    Source: B. L. Welch, The generalization of "Student's" problem, Biometrika 34, 1947.

    >>> found = difference({1: 0.90, 2: 0.91, 3: 0.92}, {1: 0.92, 2: 0.935, 3: 0.94})
    >>> round(found.mean, 4), found.test
    (0.0217, 'paired t-test over 3 seeds')
    """
    mean = spread(other.values()).mean - spread(baseline.values()).mean
    if min(len(baseline), len(other)) < 2:
        return Difference(mean, None, None, "a single run: no interval")
    if baseline.keys() == other.keys():
        gains = spread(other[key] - baseline[key] for key in baseline)
        freedom, error = gains.n - 1.0, (gains.sd or 0.0) / math.sqrt(gains.n)
        words = f"paired t-test over {gains.n} seeds"
    else:
        a, b = spread(baseline.values()), spread(other.values())
        freedom, error = _welch(a, b)
        words = f"Welch's t-test, {a.n} and {b.n} runs"
    scale = max(map(abs, (*baseline.values(), *other.values())))
    if error <= 1e-12 * scale:  # what is left is the rounding of floats
        return Difference(mean, None, None, "no spread: no interval")
    return Difference(mean, *_student(mean, error, freedom), words)


def _welch(a: Spread, b: Spread) -> tuple[float, float]:
    """Degrees of freedom, and the standard error of the difference."""
    parts = [((one.sd or 0.0) ** 2 / one.n, one.n) for one in (a, b)]
    variance = sum(part for part, _ in parts)
    if variance == 0.0:
        return 1.0, 0.0
    return variance**2 / sum(part**2 / (n - 1) for part, n in parts), math.sqrt(variance)


def _student(mean: float, error: float, freedom: float) -> tuple[tuple[float, float], float]:
    """The interval of a mean with that standard error, and how likely one as far from 0 is by chance."""
    try:
        from scipy.special import stdtr, stdtrit
    except ImportError as failure:
        raise ImportError("intervals need scipy: pip install 'etm-lightning[store]'") from failure
    reach = float(stdtrit(freedom, 0.5 + CONFIDENCE / 2)) * error
    return (mean - reach, mean + reach), float(2 * stdtr(freedom, -abs(mean / error)))
