"""A difference of two settings without an assumption on how values spread."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from etm_lightning.evaluate.difference import Difference
from etm_lightning.evaluate.summaries import spread

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_RESAMPLES = 9999


def bootstrap(baseline: Mapping[Any, float], other: Mapping[Any, float]) -> Difference:
    """How the means of two settings differ, by resampling their values.

    The interval is that of the percentiles of resampled means, the p-value that of a permutation test, exact
    for few values. With fewer than about five values each neither says much.

    Args:
        baseline: finite values by seed and fold.
        other: the same of the other setting.

    Raises:
        ValueError: if either has no values.
        ImportError: without scipy.

    Source: B. Efron and R. Tibshirani, An Introduction to the Bootstrap, 1993, chapters 13 and 15.

    >>> bootstrap({1: 1.0}, {1: 2.0, 2: 3.0}).test
    'a single run: no interval'
    """
    ours, theirs = spread(other.values()), spread(baseline.values())
    mean = ours.mean - theirs.mean
    if ours.sd is None or theirs.sd is None:
        return Difference(mean, None, None, "a single run: no interval")
    if not ours.sd and not theirs.sd:
        return Difference(mean, None, None, "no spread: no interval")
    try:
        import numpy as np
        from scipy import stats
    except ImportError as error:
        raise ImportError("a test needs scipy: pip install 'etm-lightning[store]'") from error
    chance = np.random.default_rng(0)  # the same runs give the same answer
    data = (np.array([*other.values()]), np.array([*baseline.values()]))
    options: dict[str, Any] = {"n_resamples": _RESAMPLES, "vectorized": True, "rng": chance}
    low, high = stats.bootstrap(data, _gap, method="percentile", **options).confidence_interval
    p = float(stats.permutation_test(data, _gap, **options).pvalue)
    interval = (float(low), float(high)) if math.isfinite(low) else None
    return Difference(mean, interval, p, f"bootstrap and permutations, {theirs.n} and {ours.n} runs")


def _gap(
    left: npt.NDArray[np.float64], right: npt.NDArray[np.float64], axis: int = -1
) -> npt.NDArray[np.float64]:
    gap: npt.NDArray[np.float64] = left.mean(axis=axis) - right.mean(axis=axis)
    return gap
