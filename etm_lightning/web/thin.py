"""Fewer points that look like all of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def thin(y: npt.NDArray[np.float64], points: int) -> npt.NDArray[np.intp]:
    """Which of the finite values `y` to keep so that none of their extremes is lost.

    The least and the greatest of each of `points` / 2 stretches of equal length, and the first and the last.

    >>> thin(np.array([0.0, 9.0, 0.0, 0.0, 0.0, 0.0, -5.0, 0.0]), 6).tolist()
    [0, 1, 4, 6, 7]
    """
    import tsdownsample

    if len(y) <= max(points, 4):
        return np.arange(len(y))
    made: Any = tsdownsample.MinMaxDownsampler
    chosen = made().downsample(np.ascontiguousarray(y), n_out=max(2, points - 2) // 2 * 2)
    kept = np.zeros(len(y), bool)
    kept[chosen] = kept[0] = kept[-1] = True
    return np.flatnonzero(kept)
