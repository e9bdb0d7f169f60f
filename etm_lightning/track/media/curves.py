"""Histograms, and precision-recall and ROC curves, counted exactly."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from etm_lightning.track.media.arrays import array
from etm_lightning.track.media.exhibit import Copy, Drawn, encoded

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from etm_lightning.track.media.arrays import Array

    Floats = NDArray[np.float64]

MOST_POINTS = 200
"""A curve of more points is thinned; its area is that of all points."""


def histogram(values: Any, bins: int) -> Copy:
    """A copy of `values`, any number of them in any shape, to be counted in `bins` bins of equal width.

    Raises:
        TypeError: if they are no numbers, or `bins` is no number of bins.
    """
    if int(bins) < 1:
        raise TypeError(f"`bins` must be at least 1 but got {bins}")
    copied = array(values).ravel()
    return Copy(partial(_histogram, copied, int(bins)), copied.nbytes)


def _histogram(values: Array, bins: int) -> Drawn:
    import numpy as np

    wide = values.astype(np.float64)
    finite = wide[np.isfinite(wide)]
    with np.errstate(all="ignore"):
        try:
            counts, edges = np.histogram(finite, bins)
        except ValueError:  # the width of a bin is no number: too wide, or too narrow for its position
            low, high = float(finite.min()), float(finite.max())
            edges = np.array([low, high] if low < high else [low, np.nextafter(low, math.inf)])
            counts = np.array([finite.size])
        told = (finite.min(), finite.max(), finite.mean(), finite.std()) if finite.size else (None,) * 4
    return _counted(counts.tolist(), edges.tolist(), told, wide.size - finite.size)


def counted(counts: Any, edges: Any) -> Copy:
    """A histogram that the caller counted; mean and deviation are those of the bins' centres.

    Args:
        counts: how many values are in each bin.
        edges: of the bins, rising, one more than there are bins.

    Raises:
        TypeError: if it is none.
    """
    import numpy as np

    number, place = array(counts).astype(np.float64), array(edges).astype(np.float64)
    if number.ndim != 1 or place.shape != (len(number) + 1,) or not len(number):
        raise TypeError(f"`edges` must be one more than `counts` but got {place.shape} and {number.shape}")
    if not (np.isfinite(place).all() and (np.diff(place) >= 0).all()):
        raise TypeError("`edges` must be finite and rising")
    if not (np.isfinite(number).all() and (number >= 0).all()):
        raise TypeError("`counts` must be finite and not negative")
    told: tuple[Any, ...] = (None,) * 4
    if number.sum():
        centres = (place[1:] + place[:-1]) / 2
        mean = np.average(centres, weights=number)
        deviation = math.sqrt(np.average((centres - mean) ** 2, weights=number))
        told = (place[0], place[-1], mean, deviation)
    kept = [int(n) if n == int(n) else n for n in number.tolist()]
    return Copy(partial(_counted, kept, place.tolist(), told, 0), 64 * len(kept))


def _counted(counts: list[float], edges: list[float], told: Sequence[Any], nonfinite: int) -> Drawn:
    numbers = [float(number) if number is not None and math.isfinite(number) else None for number in told]
    return encoded(
        {
            "counts": counts,
            "edges": edges,
            **dict(zip(("min", "max", "mean", "std"), numbers, strict=True)),
            "count": sum(counts),
            "nonfinite": nonfinite,
        }
    )


def curves(kind: str, targets: Any, scores: Any, labels: Sequence[str] | None) -> Copy:
    """A copy of what a ``pr_curve`` or a ``roc_curve`` is to be drawn from.

    Args:
        kind: which of them.
        targets: the true classes, whole numbers from 0, of shape (N,).
        scores: of class 1, of shape (N,), or of each class, of shape (N, classes).
        labels: names of the classes; their numbers by default.

    Raises:
        TypeError: if the shapes do not fit.
    """
    truth, score = array(targets), array(scores)
    if truth.ndim != 1 or truth.dtype.kind == "f":
        raise TypeError(f"`targets` must be whole numbers of shape (N,) but got {truth.dtype} {truth.shape}")
    many = len(truth)
    if score.ndim not in (1, 2) or len(score) != many or not score.size:
        raise TypeError(f"`scores` must be of shape ({many},) or ({many}, C) but got {score.shape}")
    classes = 2 if score.ndim == 1 else score.shape[1]
    names = [str(label) for label in labels] if labels is not None else [str(n) for n in range(classes)]
    if len(names) != classes:
        raise TypeError(f"`labels` must be {classes} names but got {len(names)}")
    if truth.min() < 0 or truth.max() >= classes:
        raise TypeError(
            f"`targets` must be from 0 to {classes - 1} but got from {truth.min()} to {truth.max()}"
        )
    return Copy(partial(_curves, kind, truth, score, names), truth.nbytes + score.nbytes)


def _curves(kind: str, truth: Array, score: Array, labels: list[str]) -> Drawn:
    import numpy as np

    wide = score.astype(np.float64)
    if np.isnan(wide).any():
        raise ValueError(f"`scores` must not be NaN but got {int(np.isnan(wide).sum())}")
    draw = _precision_recall if kind == "pr_curve" else _roc
    chosen = [(1, wide)] if wide.ndim == 1 else [(n, wide[:, n]) for n in range(wide.shape[1])]
    found = [{"label": labels[n], **draw(truth == n, column)} for n, column in chosen]
    return encoded({"labels": labels, "curves": found})


def _cuts(positive: NDArray[np.bool_], score: Floats) -> tuple[Floats, Floats, Floats]:
    """For each distinct score, falling: how many positives and negatives have at least that score."""
    import numpy as np

    order = np.argsort(-score, kind="stable")
    score, positive = score[order], positive[order]
    last = np.append(np.flatnonzero(score[1:] != score[:-1]), len(score) - 1)
    hits = np.cumsum(positive)[last].astype(np.float64)
    return score[last], hits, last + 1 - hits


def _precision_recall(positive: NDArray[np.bool_], score: Floats) -> dict[str, Any]:
    """Precision and recall at each score, rising, then precision 1 at recall 0, which has no score.

    The average precision is the sum over the scores of the precision times what the recall gains there.
    """
    import numpy as np

    if not positive.any():
        return {"precision": [], "recall": [], "thresholds": [], "average_precision": None}
    cuts, hits, alarms = _cuts(positive, score)
    precision, recall = hits / (hits + alarms), hits / hits[-1]
    average = float(np.sum(np.diff(recall, prepend=0.0) * precision))
    y, x = np.append(precision[::-1], 1.0), np.append(recall[::-1], 0.0)
    kept = _thinned(x, y)
    return {
        "precision": y[kept].tolist(),
        "recall": x[kept].tolist(),
        "thresholds": _finite([*cuts[::-1].tolist(), None], kept),
        "average_precision": average,
    }


def _roc(positive: NDArray[np.bool_], score: Floats) -> dict[str, Any]:
    """Rates of false and true positives: 0 and 0, which have no score, then at each score, falling."""
    import numpy as np

    if positive.all() or not positive.any():
        return {"fpr": [], "tpr": [], "thresholds": [], "auc": None}
    cuts, hits, alarms = _cuts(positive, score)
    x, y = np.append(0.0, alarms / alarms[-1]), np.append(0.0, hits / hits[-1])
    area = float(np.sum(np.diff(x) * (y[1:] + y[:-1]) / 2))
    kept = _thinned(x, y)
    return {
        "fpr": x[kept].tolist(),
        "tpr": y[kept].tolist(),
        "thresholds": _finite([None, *cuts.tolist()], kept),
        "auc": area,
    }


def _finite(cuts: list[float | None], kept: NDArray[np.intp]) -> list[float | None]:
    """The scores that are kept; null for one that JSON has no number for."""
    chosen = [cuts[n] for n in kept.tolist()]
    return [cut if cut is not None and math.isfinite(cut) else None for cut in chosen]


def _thinned(x: Floats, y: Floats) -> NDArray[np.intp]:
    """Which of the points to keep: evenly along the curve, and its ends and extremes."""
    import numpy as np

    if len(x) <= MOST_POINTS:
        return np.arange(len(x))
    way = np.cumsum(np.abs(np.diff(x, prepend=x[0])) + np.abs(np.diff(y, prepend=y[0])))
    even = np.searchsorted(way, np.linspace(0, way[-1], MOST_POINTS - 4))
    extremes = [0, len(x) - 1, int(y.argmin()), int(y.argmax())]
    return np.unique(np.concatenate([np.minimum(even, len(x) - 1), extremes]))
