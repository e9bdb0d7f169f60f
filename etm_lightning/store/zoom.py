"""A series between two x with few points: none of its extremes is lost, at any zoom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from etm_lightning.store.series import NO_EPOCH, Series

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

X = Literal["step", "epoch", "time", "relative"]
_KINDS = 3
"""NaN, inf and -inf: marks that are kept beside the extremes."""


@dataclass(frozen=True)
class Zoomed:
    """A series between two x, every point of it or its extremes.

    Attributes:
        x: where, ascending; float64. Seconds for `time` (Unix) and `relative`.
        y: the values there, NaN and infinities among them; float64.
        step: the steps of these points; int64.
        total: how many points lie between the two x.
        complete: whether all of them are here.
        span: the first and the last x of the whole series; None if it has no points.
    """

    x: npt.NDArray[np.float64]
    y: npt.NDArray[np.float64]
    step: npt.NDArray[np.int64]
    total: int
    complete: bool
    span: tuple[float, float] | None


def zoom(
    series: Series | None,
    *,
    x: X = "step",
    start: float | None = None,
    stop: float | None = None,
    points: int = 1000,
    around: bool = False,
    superseded: bool = False,
    origin: float = 0.0,
) -> Zoomed:
    """The points of a series whose x lies in [`start`, `stop`], at most `points` of them.

    Where there are more, the range is cut in equal parts and the smallest and the largest value of each are
    kept, and of NaN, inf and -inf one each, so that a spike of one point is seen at any zoom.

    Args:
        series: the series; None is one without points.
        x: what to show it over; points that have no epoch are left out over ``epoch``.
        start: smallest x; by default that of the series.
        stop: largest x; by default that of the series.
        points: how many at most, at least 10.
        around: also the nearest point on each side, so that a line goes on to the edge of a chart; these
            two are on top of `points` and not in `total`.
        superseded: also points that a later attempt made void.
        origin: Unix seconds at which ``relative`` is 0.

    Raises:
        ValueError: if `x` is none of these, or `points` too small.
        ImportError: without numpy and tsdownsample.
    """
    if x not in get_args(X):
        raise ValueError(f"`x` must be one of {', '.join(get_args(X))} but got {x!r}")
    if points < 10:
        raise ValueError(f"`points` must be at least 10 but got {points}")
    try:
        import numpy as np
    except ImportError as error:
        raise ImportError("zoomed series need numpy: pip install 'etm-lightning[store]'") from error
    columns = series.columns(superseded=superseded) if series is not None else {}
    where, values, steps = _placed(columns, x, origin)
    if not len(where):
        return Zoomed(where, values, steps, 0, True, None)
    span = float(where[0]), float(where[-1])
    low = 0 if start is None else int(np.searchsorted(where, start, "left"))
    high = len(where) if stop is None else max(low, int(np.searchsorted(where, stop, "right")))
    chosen = low + _chosen(where[low:high], values[low:high], points)
    if around:
        edges = [np.array([i]) for i in (low - 1, high) if 0 <= i < len(where)]
        chosen = np.sort(np.concatenate([chosen, *edges]))
    return Zoomed(
        where[chosen],
        values[chosen],
        steps[chosen],
        total=high - low,
        complete=high - low <= points,
        span=span,
    )


def _placed(columns: Any, x: X, origin: float) -> tuple[Any, Any, Any]:
    """x, ascending, values and steps."""
    import numpy as np

    values = np.asarray(columns.get("value", []), float)
    steps = np.asarray(columns.get("step", []), np.int64)
    raw = np.asarray(columns.get("time" if x == "relative" else x, []))
    where = raw.astype(float) - (origin if x == "relative" else 0.0)
    if x == "epoch":
        known = raw != NO_EPOCH
        where, values, steps = where[known], values[known], steps[known]
    if len(where) > 1 and bool((where[1:] < where[:-1]).any()):
        order = np.argsort(where, kind="stable")
        where, values, steps = where[order], values[order], steps[order]
    return where, values, steps


def _chosen(where: Any, values: Any, points: int) -> Any:
    """Which points to show, as sorted indices."""
    import numpy as np

    if len(values) <= points:
        return np.arange(len(values))
    finite = np.isfinite(values)
    parts = max(1, points // (2 if finite.all() else 2 + _KINDS))
    edges = np.searchsorted(where, np.linspace(where[0], where[-1], parts + 1)[1:-1], "left")
    starts = np.unique(np.concatenate([[0], edges]))
    starts = starts[starts < len(values)]
    chosen = []
    for sign, lost in ((1.0, np.inf), (-1.0, np.inf)):
        chosen.append(_least(np.where(finite, sign * values, lost), starts))
    picked = [part[finite[part]] for part in chosen]
    for mark in (np.isnan(values), values == np.inf, values == -np.inf):
        if mark.any():
            first = _least(np.where(mark, 0.0, 1.0), starts)
            picked.append(first[mark[first]])
    return np.unique(np.concatenate(picked))


def _least(values: Any, starts: Any) -> Any:
    """Index of the smallest value of each part."""
    import numpy as np

    ends = np.append(starts[1:], len(values))
    return np.array(
        [begin + int(values[begin:end].argmin()) for begin, end in zip(starts, ends, strict=True)]
    )
