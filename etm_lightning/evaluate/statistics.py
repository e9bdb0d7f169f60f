"""Whether two sets of values differ by more than chance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from etm_lightning.evaluate.summaries import spread

Method = Literal["welch", "bootstrap"]
METHODS = ("welch", "bootstrap")
_RESAMPLES = 9999


@dataclass(frozen=True)
class Difference:
    """A difference of means, with a confidence interval of 95 % and the p-value of a two-sided test.

    `test` names the test, or says why there is none; then `ci` and `p` are None.
    """

    mean: float
    ci: tuple[float, float] | None
    p: float | None
    test: str


def difference(values: Sequence[float], baseline: Sequence[float], method: Method = "welch") -> Difference:
    """How the mean of `values` differs from that of `baseline`.

    ``welch`` is Welch's t-test for unequal variances with the interval that goes with it (B. L. Welch, "The
    generalization of Student's problem when several different population variances are involved", Biometrika
    34, 1947). ``bootstrap`` makes no assumption on the distribution: the percentile interval of resampled
    means (B. Efron and R. Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13) and a permutation
    test, exact for few values. With fewer than about five values each, neither says much.

    Args:
        values: finite, at least one.
        baseline: finite, at least one.
        method: ``welch`` or ``bootstrap``.

    Raises:
        ValueError: if `method` is neither, or there are no values.
        ImportError: without scipy.

    >>> difference([2.0], [1.0, 3.0]).test
    'n=1: no test'
    """
    if method not in METHODS:
        raise ValueError(f"`method` must be one of {', '.join(METHODS)} but got {method!r}")
    ours, theirs = spread(values), spread(baseline)
    mean = ours.mean - theirs.mean
    if ours.sd is None or theirs.sd is None:
        return Difference(mean, None, None, "n=1: no test")
    if not ours.sd and not theirs.sd:
        return Difference(mean, None, None, "no spread: no test")
    try:
        import scipy  # noqa: F401  # to say what is missing
    except ImportError as error:
        raise ImportError("a test needs scipy: pip install 'etm-lightning[store]'") from error
    tested = _welch if method == "welch" else _bootstrap
    low, high, p = tested(values, baseline)
    return Difference(mean, (low, high) if math.isfinite(low) else None, p, method)


def _welch(values: Sequence[float], baseline: Sequence[float]) -> tuple[float, float, float]:
    from scipy import stats

    found = stats.ttest_ind(values, baseline, equal_var=False)
    interval = found.confidence_interval(0.95)
    return float(interval.low), float(interval.high), float(found.pvalue)


def _bootstrap(values: Sequence[float], baseline: Sequence[float]) -> tuple[float, float, float]:
    import numpy as np
    from scipy import stats

    def gap(left: np.ndarray, right: np.ndarray, axis: int = -1) -> np.ndarray:
        gaps: np.ndarray = np.mean(left, axis=axis) - np.mean(right, axis=axis)
        return gaps

    chance = np.random.default_rng(0)  # the same runs give the same answer
    data = (np.asarray(values), np.asarray(baseline))
    interval = stats.bootstrap(
        data, gap, n_resamples=_RESAMPLES, method="percentile", vectorized=True, rng=chance
    ).confidence_interval
    p = stats.permutation_test(data, gap, n_resamples=_RESAMPLES, vectorized=True, rng=chance).pvalue
    return float(interval.low), float(interval.high), float(p)
