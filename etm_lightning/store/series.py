"""One series of a run: its points in columns, and what they come to."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import compress
from threading import Lock
from typing import TYPE_CHECKING, Any

from etm_lightning.naming import SeriesKey
from etm_lightning.records import Scalars
from etm_lightning.store.blocks import LARGEST, NO_EPOCH

if TYPE_CHECKING:
    from etm_lightning.store.columnar import Measured


@dataclass(frozen=True, slots=True)
class Point:
    """One value and where it was measured; `time` in Unix seconds."""

    step: int
    epoch: int | None
    time: float
    value: float


@dataclass(frozen=True)
class Metric:
    """What one series comes to. NaN is counted in `nonfinite`, and never is `min`, `max` or best."""

    name: str
    stage: str
    axis: str
    rank: int
    count: int
    nonfinite: int
    latest: Point
    min: Point | None
    max: Point | None

    def best(self, mode: str) -> Point | None:
        """The first point with the best value, which is the smallest (``min``) or largest (``max``).

        None if all values are NaN.

        Raises:
            ValueError: if `mode` is neither.
        """
        if mode not in ("min", "max"):
            raise ValueError(f"`mode` must be 'min' or 'max' but got {mode!r}")
        return self.min if mode == "min" else self.max


MANY = 1000 if find_spec("numpy") else LARGEST
"""Points that arrays are worth for."""


class Series:
    """The points of one series, superseded ones included, in the order in which they were recorded."""

    def __init__(self, key: SeriesKey) -> None:
        self.key = key
        self.views: dict[Any, Any] = {}  # what `zoom` makes of it, until it grows
        self._pending: list[tuple[Measured, int]] = []  # read when somebody asks for the points
        self._orders, self._steps, self._epochs = array("q"), array("q"), array("q")
        self._times, self._values = array("d"), array("d")
        self._counts = array("b")
        self._settling = Lock()

    def __len__(self) -> int:
        with self._settling:
            return len(self._orders) + sum(len(part.orders) for part, _ in self._pending)

    def extend(self, part: Measured, i: int) -> None:
        """Take value number `i` of each of many measurements, which may lie among others taken so."""
        self.views.clear()
        self._pending.append((part, i))

    def _settle(self) -> None:
        """Take what is pending: all of it, or nothing if it cannot be read. Threads wait for each other."""
        if not self._pending:
            return
        with self._settling:
            if self._pending:
                self._take(self._pending)
                self._pending = []  # last: who finds nothing pending finds whole columns

    def _take(self, pending: list[tuple[Measured, int]]) -> None:
        import numpy as np

        parts = [part for part, _ in pending]
        orders = np.concatenate([part.orders for part in parts]) if len(parts) > 1 else parts[0].orders
        rising = len(orders) < 2 or bool((orders[1:] > orders[:-1]).all())
        sort = None if rising else np.argsort(orders, kind="stable")
        columns = (
            (self._orders, [orders]),
            (self._steps, [part.steps() for part in parts]),
            (self._epochs, [part.epochs() for part in parts]),
            (self._times, [part.times() for part in parts]),
            (self._values, [part.values(i) for part, i in pending]),
            (self._counts, [part.counts.view(np.int8) for part in parts]),
        )  # all is read before the first one grows
        for column, pieces in columns:
            whole = np.concatenate(pieces) if len(pieces) > 1 else pieces[0]
            column.frombytes(np.ascontiguousarray(whole if rising else whole[sort]).view(np.uint8).data)

    def add(self, order: int, record: Scalars, value: float, counts: bool) -> None:
        """Take the `value` that `record`, fact number `order` of the run, has for this series."""
        self._settle()
        self.views.clear()
        self._orders.append(order)
        self._steps.append(record.step)
        self._epochs.append(NO_EPOCH if record.epoch is None else record.epoch)
        self._times.append(record.time)
        self._values.append(value)
        self._counts.append(counts)

    @property
    def counts(self) -> bool:
        """Whether any point does."""
        return any(self._counts) or any(part.counts.any() for part, _ in self._pending)

    def columns(self, *, superseded: bool = False) -> dict[str, array[int] | array[float]]:
        """`step`, `epoch` (`NO_EPOCH` where there is none), `time` and `value` of the points, as arrays."""
        self._settle()
        whole: dict[str, array[int] | array[float]] = {
            "step": self._steps,
            "epoch": self._epochs,
            "time": self._times,
            "value": self._values,
        }
        if superseded or all(self._counts):
            return whole
        return {
            name: array(column.typecode, compress(column, self._counts)) for name, column in whole.items()
        }

    def points(self, *, superseded: bool = False) -> list[Point]:
        """The points that count, or all."""
        self._settle()
        return [self._point(i) for i, counts in enumerate(self._counts) if counts or superseded]

    def before(self, order: int, since: Iterable[range]) -> Point | None:
        """The last point that counts, lies before fact number `order` and in one of the ranges `since`."""
        self._settle()
        ranges = list(since)
        for i in reversed(range(bisect_left(self._orders, order))):
            if self._counts[i] and any(self._orders[i] in span for span in ranges):
                return self._point(i)
        return None

    def first_within(self, orders: range) -> int | None:
        """The number, among the points that count, of the first whose fact lies in `orders`."""
        self._settle()
        start, stop = (bisect_left(self._orders, order) for order in (orders.start, orders.stop))
        first = next((i for i in range(start, stop) if self._counts[i]), None)
        return None if first is None else sum(self._counts[:first])

    def metric(self) -> Metric | None:
        """What the points that count come to; None if there is none."""
        self._settle()
        if len(self._values) > MANY:
            return self._metric_of_many()
        rows = [i for i, counts in enumerate(self._counts) if counts]
        if not rows:
            return None
        values = self._values
        numbers = [i for i in rows if values[i] == values[i]]
        return Metric(
            *self.key,
            count=len(rows),
            nonfinite=sum(values[i] - values[i] != 0 for i in rows),
            latest=self._point(rows[-1]),
            min=self._point(min(numbers, key=values.__getitem__)) if numbers else None,
            max=self._point(max(numbers, key=values.__getitem__)) if numbers else None,
        )

    def _metric_of_many(self) -> Metric | None:
        import numpy as np

        values = np.frombuffer(self._values)
        rows = np.flatnonzero(np.frombuffer(self._counts, np.int8))
        if not len(rows):
            return None
        values = values[rows]
        numbers = np.flatnonzero(values == values)
        return Metric(
            *self.key,
            count=len(rows),
            nonfinite=int((~np.isfinite(values)).sum()),
            latest=self._point(int(rows[-1])),
            min=self._point(int(rows[numbers[values[numbers].argmin()]])) if len(numbers) else None,
            max=self._point(int(rows[numbers[values[numbers].argmax()]])) if len(numbers) else None,
        )

    def _point(self, i: int) -> Point:
        epoch = self._epochs[i]
        return Point(self._steps[i], None if epoch == NO_EPOCH else epoch, self._times[i], self._values[i])
