"""A series between two x with few points: none of its extremes is lost, at any zoom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

from etm_lightning.store.blocks import LARGEST, NO_EPOCH
from etm_lightning.store.series import Series

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

X = Literal["step", "epoch", "time", "relative"]
LEAST = 10


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
    kept, and of NaN, inf and -inf one each, so that a spike of one point is seen at any zoom. The first and
    the last point are kept too.

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
        ImportError: without numpy.
    """
    try:
        import numpy as np
    except ImportError as error:
        raise ImportError("zoomed series need numpy: pip install 'etm-lightning[store]'") from error
    check(x, points)
    view = _view(series, x, superseded) if series is not None else None
    if view is None or not len(view.x):
        empty = np.empty(0)
        return Zoomed(empty, empty, np.empty(0, np.int64), 0, True, None)
    shift = origin if x == "relative" else 0.0
    low = 0 if start is None else _before(view.x, start + shift)
    high = len(view.x) if stop is None else max(low, _before(view.x, stop + shift, with_equal=True))
    chosen = _chosen(view, low, high, points)
    if around:
        edges = [np.array([i]) for i in (low - 1, high) if 0 <= i < len(view.x)]
        chosen = np.sort(np.concatenate([chosen, *edges]))
    return Zoomed(
        view.x[chosen].astype(float) - shift,
        view.y[chosen],
        view.step[chosen],
        total=high - low,
        complete=high - low <= points,
        span=(float(view.x[0]) - shift, float(view.x[-1]) - shift),
    )


def check(x: str, points: int) -> None:
    """Raise ValueError if a series cannot be shown so."""
    if x not in get_args(X):
        raise ValueError(f"`x` must be one of {', '.join(get_args(X))} but got {x!r}")
    if points < LEAST:
        raise ValueError(f"`points` must be at least {LEAST} but got {points}")


class View(NamedTuple):
    """A series by ascending x.

    `low` and `high` are its values with +inf and -inf where there is no number; `marks` is where NaN, inf and
    -inf are.
    """

    x: Any
    y: npt.NDArray[np.float64]
    step: npt.NDArray[np.int64]
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    marks: tuple[npt.NDArray[np.int64], ...]


def _view(series: Series, x: X, superseded: bool) -> View:
    """Made once for a series as it stands."""
    key = "time" if x == "relative" else x, superseded
    found: View | None = series.views.get(key)
    if found is None:
        found = series.views[key] = _made(series.columns(superseded=superseded), key[0])
    return found


def _made(columns: Mapping[str, Any], x: str) -> View:
    import numpy as np

    y = np.frombuffer(columns["value"]) if len(columns["value"]) else np.empty(0)
    where, step = np.asarray(columns[x]), np.asarray(columns["step"])
    if x == "epoch" and len(where) and int(where.min()) == NO_EPOCH:
        known = where != NO_EPOCH
        where, y, step = where[known], y[known], step[known]
    if len(where) > 1 and not bool((where[1:] >= where[:-1]).all()):
        order = np.argsort(where, kind="stable")
        where, y, step = where[order], y[order], step[order]
    finite = np.isfinite(y)
    if finite.all():
        return View(where, y, step, y, y, ())
    kinds = (np.isnan(y), y == np.inf, y == -np.inf)
    marks = tuple(np.flatnonzero(kind) for kind in kinds if kind.any())
    return View(where, y, step, np.where(finite, y, np.inf), np.where(finite, y, -np.inf), marks)


def thinned(whole: Zoomed, points: int) -> Zoomed:
    """The same view with fewer points."""
    columns = {"value": whole.y, "x": whole.x, "step": whole.step}
    view = _made(columns, "x")
    chosen = _chosen(view, 0, len(view.x), points)
    return Zoomed(
        view.x[chosen], view.y[chosen], view.step[chosen], whole.total, whole.total <= points, whole.span
    )


def _before(x: Any, value: float, *, with_equal: bool = False) -> int:
    """How many of the ascending `x` are smaller than `value`, or equal."""
    import numpy as np

    side: Literal["left", "right"] = "right" if with_equal else "left"
    if x.dtype.kind == "i":  # a float among integers would make floats of all of them
        value = np.clip(np.floor(value) if with_equal else np.ceil(value), -LARGEST, LARGEST)
        return int(np.searchsorted(x, int(value), side))
    return int(np.searchsorted(x, value, side))


def _chosen(view: View, low: int, high: int, points: int) -> Any:
    """Which of the points from `low` to `high` to show, as sorted indices.

    A library would do (tsdownsample), but loses an extreme now and then, and all where every x is the same.
    """
    import numpy as np

    if high - low <= points:
        return np.arange(low, high)
    marks = [mark[np.searchsorted(mark, low) : np.searchsorted(mark, high)] for mark in view.marks]
    marks = [mark for mark in marks if len(mark)]
    parts = (points - 2) // (2 + len(marks))
    inner = np.linspace(float(view.x[low]), float(view.x[high - 1]), parts + 1)[1:-1]
    if view.x.dtype.kind == "i":
        inner = np.ceil(inner).astype(np.int64)
    edges = low + np.searchsorted(view.x[low:high], inner, "left")
    bounds = _distinct([[low], edges, [high]]).tolist()
    least = [begin + int(view.low[begin:end].argmin()) for begin, end in pairwise(bounds)]
    most = [begin + int(view.high[begin:end].argmax()) for begin, end in pairwise(bounds)]
    if not marks:
        return _distinct([[low], least, most, [high - 1]])
    extremes = np.array([*least, *most])
    first = [mark[_first(mark, bounds)] for mark in marks]
    return _distinct([[low, high - 1], extremes[np.isfinite(view.y[extremes])], *first])


def _first(mark: Any, bounds: Sequence[int]) -> Any:
    """Which of the ascending indices `mark` are the first in their part."""
    import numpy as np

    return np.flatnonzero(np.diff(np.searchsorted(bounds, mark, "right"), prepend=-1))


def _distinct(several: Sequence[Any]) -> Any:
    """All indices in some arrays, sorted, each once: `numpy.unique`, which loads masked arrays for that."""
    import numpy as np

    found = np.sort(np.concatenate(several))
    return found[np.flatnonzero(np.diff(found, prepend=-1))]
