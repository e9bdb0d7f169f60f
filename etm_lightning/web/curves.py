"""Series as charts ask for them: any x axis, any stretch of it, thinned without losing an extreme."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import msgspec
import numpy as np
import numpy.typing as npt

from etm_lightning.store.run import StoredRun
from etm_lightning.store.series import Series
from etm_lightning.store.zoom import LEAST, X
from etm_lightning.web.axes import AXES, Floats, along, column
from etm_lightning.web.stores import Found, MissingError, Stores
from etm_lightning.web.thin import thin

MOST_POINTS = 20_000
MOST_SERIES = 5_000
MOST_KEPT = 1_000
"""Points of a curve up to which it is kept."""
MOST_MARKS = 1_000
"""How many values that are not finite are told one by one."""
BIG = 200_000
"""Points of a series from which on it is looked up in its view instead of being gone through each time."""
_GENERATION = 2**40

_LATER = {"later": True, "complete": False}
_RENAMED = {"since": "from", "until": "to"}


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A series that is asked for: `name` as logged or as `metrics` has it."""

    run: str
    name: str
    stage: str | None = None
    axis: str | None = None
    rank: int = 0
    superseded: bool = False


class Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename=_RENAMED):
    """Which series, over which x, and how many points at most; `after` are cursors: only what came since.

    After `within` seconds no run is read any more that was not read before: its series are marked `later`.
    """

    series: list[Wanted]
    x: str | dict[str, str] = "step"
    since: float | None = None
    until: float | None = None
    points: int = 1000
    after: list[int] | None = None
    within: float | None = None

    def check(self) -> None:
        """Raise ValueError if it makes no sense."""
        if isinstance(self.x, str) and self.x not in AXES:
            raise ValueError(f"`x` must be one of {', '.join(AXES)} or {{'metric': name}} but got {self.x!r}")
        if isinstance(self.x, dict) and set(self.x) != {"metric"}:
            raise ValueError(f"`x` must be {{'metric': name}} but has the keys {sorted(self.x)}")
        if not 2 <= self.points <= MOST_POINTS:
            raise ValueError(f"`points` must be in [2, {MOST_POINTS}] but got {self.points}")
        if len(self.series) > MOST_SERIES:
            raise ValueError(f"`series` must be {MOST_SERIES} at most but got {len(self.series)}")
        if self.after is not None and len(self.after) != len(self.series):
            raise ValueError(f"`after` must have one cursor for each of {len(self.series)} series")


@dataclass(frozen=True)
class Curve:
    """The points of a series for a chart: finite values only; `about` is what goes into the header."""

    x: Floats
    y: Floats
    about: dict[str, Any] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes of its points."""
        return self.x.nbytes + self.y.nbytes


def known(found: Found, wanted: Wanted, question: Question, after: int | None) -> Curve:
    """A whole curve of few points is made once, as long as its run does not change; others each time."""
    if after is not None or question.since is not None or question.until is not None:
        return curve(found.run, wanted, question, after)
    if question.points > MOST_KEPT:
        return curve(found.run, wanted, question)
    name = wanted, str(question.x), question.points
    if name not in found.curves:
        found.curves[name] = curve(found.run, wanted, question)
    kept: Curve = found.curves[name]
    return kept


def curve(run: StoredRun, wanted: Wanted, question: Question, after: int | None = None) -> Curve:
    """The points of one series. A series that there is not has none."""
    series = run.find(
        wanted.name, stage=wanted.stage, axis=wanted.axis, rank=wanted.rank, superseded=wanted.superseded
    )
    about: dict[str, Any] = {"run": wanted.run, "name": wanted.name}
    if series is None:
        return Curve(_none(), _none(), about | _empty(wanted, "no such series"))
    columns = series.columns(superseded=wanted.superseded)
    if after is None and len(columns["value"]) >= BIG and question.x in ("step", "time", "relative"):
        return _of_big(run, series, columns, wanted, question)
    values = column(columns, "value")
    x, why = along(run, series, columns, question.x)
    start, reset = _start(run, after, len(values))
    chosen = _within(x, question) & (np.arange(len(values)) >= start)
    finite = np.isfinite(values) & chosen
    kept = np.flatnonzero(finite)
    picked = kept[thin(values[kept], question.points)] if after is None or reset else kept
    about |= _known(run, series, len(values)) | {
        "n": len(picked),
        "complete": len(picked) == len(kept),
        "first": _ends(x[chosen], 0),
        "last": _ends(x[chosen], -1),
        "nonfinite": _marks(x, values, chosen & ~np.isfinite(values)),
        "attempts": [[float(x[i]), attempt] for i, attempt in run.attempt_starts(series) if i < len(x)],
        "reset": reset,
    }
    if why:
        about["why"] = why
    return Curve(x[picked], values[picked], about)


def _known(run: StoredRun, series: Series, count: int) -> dict[str, Any]:
    """What is said about a series however it is shown."""
    return {
        "label": run.label(series),
        "stage": series.key.stage,
        "axis": series.key.axis,
        "rank": series.key.rank,
        "total": count,
        "cursor": run.attempts * _GENERATION + count,
    }


def _of_big(
    run: StoredRun, series: Series, columns: dict[str, Any], wanted: Wanted, question: Question
) -> Curve:
    """The points of a big series: it costs what is shown of it."""
    along_time = question.x != "step"
    found = run.zoom(
        wanted.name,
        x=cast(X, question.x),
        start=question.since,
        stop=question.until,
        points=max(question.points, LEAST),
        around=True,
        stage=wanted.stage,
        axis=wanted.axis,
        rank=wanted.rank,
        superseded=wanted.superseded,
    )
    origin = (run.started or run.created) if question.x == "relative" else 0.0
    where = columns["time" if along_time else "step"]
    starts = [(i, n) for i, n in run.attempt_starts(series) if i < len(where)]
    finite = np.isfinite(found.y)
    about = {"run": wanted.run, "name": wanted.name} | _known(run, series, len(where))
    about |= {
        "n": int(finite.sum()),
        "complete": found.complete,
        "first": _ends(found.x, 0),
        "last": _ends(found.x, -1),
        "nonfinite": _marks(found.x, found.y, ~finite),
        "attempts": [[float(where[i]) - origin, attempt] for i, attempt in starts],
        "reset": False,
    }
    return Curve(found.x[finite], found.y[finite], about)


def pack(curves: Sequence[Curve]) -> bytes:
    """Curves as ``ETM1``: the header as JSON, then for each series all x and all y, little-endian doubles."""
    header = msgspec.json.encode({"series": [one.about for one in curves]})
    header += b" " * (-(len(header) + 8) % 8)
    parts = [b"ETM1", len(header).to_bytes(4, "little"), header]
    for one in curves:
        parts += [one.x.astype("<f8").tobytes(), one.y.astype("<f8").tobytes()]
    return b"".join(parts)


def _empty(wanted: Wanted, why: str) -> dict[str, Any]:
    return {
        "label": wanted.name, "stage": wanted.stage or "", "axis": wanted.axis or "step", "rank": wanted.rank,
        "n": 0, "total": 0, "complete": True, "first": None, "last": None, "nonfinite": [], "attempts": [],
        "cursor": 0, "reset": False, "why": why,
    }  # fmt: skip


def _start(run: StoredRun, after: int | None, count: int) -> tuple[int, bool]:
    """The first point to give, and whether what was given before does not count any more."""
    if after is None:
        return 0, False
    generation, known = divmod(after, _GENERATION)
    if known and (generation != run.attempts or known > count):
        return 0, True
    return known, False


def _within(x: Floats, question: Question) -> npt.NDArray[np.bool_]:
    """Which points are in the stretch, with one more on each side so that lines go on to the edge."""
    chosen = ~np.isnan(x)
    if question.since is None and question.until is None:
        return chosen
    low = -np.inf if question.since is None else question.since
    high = np.inf if question.until is None else question.until
    inside = chosen & (x >= low) & (x <= high)
    wider = inside.copy()
    wider[:-1] |= inside[1:]
    wider[1:] |= inside[:-1]
    if not inside.any():  # zoomed in between two points
        before, behind = np.flatnonzero(chosen & (x < low)), np.flatnonzero(chosen & (x > high))
        wider[before[-1:]] = wider[behind[:1]] = True
    return wider & chosen


def _ends(x: Floats, at: int) -> float | None:
    return float(x[at]) if len(x) else None


def _marks(x: Floats, values: Floats, where: npt.NDArray[np.bool_]) -> list[list[Any]]:
    rows = np.flatnonzero(where)
    if len(rows) > MOST_MARKS:
        rows = rows[np.linspace(0, len(rows) - 1, MOST_MARKS).astype(int)]
    return [[float(x[i]), str(float(values[i]))] for i in rows]


def _none() -> Floats:
    return np.empty(0)


def answer(stores: Stores, question: Question) -> bytes:
    """All that a question asks for, packed; what there is not has no points.

    Where it may not take long, runs that another question reads are left to that: two read different ones.
    """
    found: list[Curve] = []
    end = math.inf if question.within is None else time.monotonic() + question.within
    for number, wanted in enumerate(question.series):
        after = question.after[number] if question.after is not None else None
        about: dict[str, Any] = {"run": wanted.run, "name": wanted.name}
        late = time.monotonic() > end or (question.within is not None and stores.reads(wanted.run))
        if number and late and not stores.holds(wanted.run):
            found.append(Curve(_none(), _none(), about | _empty(wanted, "not read yet") | _LATER))
            continue
        try:
            found.append(known(stores.run(wanted.run), wanted, question, after))
        except MissingError:
            found.append(Curve(_none(), _none(), about | _empty(wanted, "no such run")))
    return pack(found)
