"""All that a run's journal says, from one reading."""

from __future__ import annotations

import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from etm_lightning.attempts import Fact, facts, find_writers
from etm_lightning.columns import SUFFIX
from etm_lightning.layout import RunFolder
from etm_lightning.naming import SeriesKey
from etm_lightning.reading import Damage, writers
from etm_lightning.records import (
    Alert,
    Artifact,
    Checkpoint,
    Ended,
    Gap,
    Media,
    Params,
    Record,
    Saved,
    Scalars,
    Started,
    Text,
)
from etm_lightning.store.blocks import LARGEST
from etm_lightning.store.checkpoints import Checkpoints, CheckpointView
from etm_lightning.store.columnar import Written, written
from etm_lightning.store.segments import Segments
from etm_lightning.store.series import Point, Series
from etm_lightning.store.state import State, Trace, state


def merge(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """`old` overwritten by `new` key by key, dicts within dicts too.

    >>> merge({"model": {"lr": 1, "width": 8}}, {"model": {"lr": 2}})
    {'model': {'lr': 2, 'width': 8}}
    """
    merged = dict(old)
    for key, value in new.items():
        before = merged.get(key)
        if isinstance(before, Mapping) and isinstance(value, Mapping):
            value = merge(before, value)
        merged[key] = value
    return merged


SMALL = 1 << 17
"""Bytes of lines that are read sooner than arrays are imported."""


class History:
    """The records of a run, sorted by what they are about.

    Args:
        folder: the run's folder.
        segments: what was read of it before; None reads record by record.
    """

    def __init__(self, folder: RunFolder, segments: Segments | None = None) -> None:
        self._folder, self._segments = folder, segments
        self._begin()
        self._read(folder.journal)
        self.look_again()
        self.checkpoints: list[CheckpointView] = self._checkpoints.views()

    def _begin(self) -> None:
        self.series: dict[SeriesKey, Series] = {}
        self.about: dict[str, dict[str, Any]] = {}
        self.listed: dict[type, list[Any]] = {kind: [] for kind in (Alert, Artifact, Media, Text, Gap)}
        self.damage: list[Damage] = []
        self._checkpoints = Checkpoints()
        self.traces: list[Trace] = []  # one per writer, in the order of reading

    def look_again(self) -> None:
        """See whether the processes that wrote it still live."""
        self.touched = _touched(self._folder)
        self.state: State = state(self.traces, touched=self.touched, now=time.time())

    def lives(self) -> dict[int, tuple[float | None, str]]:
        """By attempt when it ended, in Unix seconds, and its status; None while it lives."""
        touched, now = _touched(self._folder), time.time()
        found = {}
        # those that there are: damage may make one's number any
        for attempt in sorted({trace.header.attempt for trace in self.traces}):
            if 0 < attempt <= self.state.attempts:
                traces = [trace for trace in self.traces if trace.header.attempt == attempt]
                then = state(traces, touched=touched, now=now)
                found[attempt] = then.ended, then.status
        return found

    def attempts(self, series: Series) -> list[tuple[int, int]]:
        """Where attempts begin in a series: the number of the first point that counts, and the attempt."""
        found: list[tuple[int, int]] = []
        for trace in self.traces:
            attempt = trace.header.attempt
            if trace.header.role == "train" and trace.header.rank == series.key.rank and attempt:
                first = series.first_within(trace.orders)
                if first is not None and (not found or found[-1][1] != attempt):
                    found.append((first, attempt))
        return sorted(found)

    def _read(self, journal: Path) -> None:
        try:
            if self._segments is not None and _worth_arrays(journal):
                try:
                    for one in written(find_writers(journal), self._segments):
                        self._take_written(one)
                    return
                except (OSError, OverflowError):  # the long way tells what is wrong, and reads the rest
                    self._begin()
            for order, fact in enumerate(facts(journal, superseded=True)):
                self._take(order, fact)
        except OSError as error:  # a file that went away or may not be read: the rest stays readable
            path = Path(error.filename or journal)
            self.damage.append(Damage(path, 0, 0, f"cannot be read: {error.strerror or error}"))

    def _take_written(self, found: Written) -> None:
        """Take all that a writer wrote."""
        import numpy as np

        for other in found.others:
            self._take(other.order, Fact(other.item, found.header, other.cursor, other.counts))
        if not found.measured:
            return
        known = set(self.series)
        new: list[tuple[int, int, SeriesKey]] = []
        for one in found.measured:
            for i, name in enumerate(one.rows.names):
                key = SeriesKey(name, one.rows.stage, one.rows.axis, found.header.rank)
                series = self.series.get(key)
                if series is None:
                    series = self.series[key] = Series(key)
                if key not in known:
                    new.append((int(one.orders.min(initial=LARGEST)), i, key))
                series.extend(one, i)
        self._sort(new)
        if not self.traces or self.traces[-1].header is not found.header:
            self.traces.append(Trace(found.header, found.first))
        times = np.concatenate([one.times() for one in found.measured])
        ended = max((other.order for other in found.others if isinstance(other.item, Ended)), default=-1)
        last = max(int(one.orders.max(initial=-1)) for one in found.measured)
        first = float(times[times != 0].min(initial=np.inf))
        self.traces[-1].take_measured(
            range(found.first, found.first + found.size),
            (0.0 if first == np.inf else first, float(times.max(initial=-np.inf))),
            ends=last > ended,
        )

    def _sort(self, new: list[tuple[int, int, SeriesKey]]) -> None:
        """Put series that a writer began in the order of their first points."""
        for key in dict.fromkeys(key for _, _, key in sorted(new)):
            self.series[key] = self.series.pop(key)

    def _take(self, order: int, fact: Fact) -> None:
        item = fact.item
        if isinstance(item, Damage):
            self.damage.append(item)
        elif isinstance(item, Scalars):
            self._take_scalars(order, item, fact)
        elif isinstance(item, Checkpoint | Saved):
            self._checkpoints.take(order, item, fact.header.attempt, fact.counts)
        elif fact.counts:
            self._take_other(item)
        if not self.traces or self.traces[-1].header is not fact.header:
            self.traces.append(Trace(fact.header, order))
        self.traces[-1].take(order, item)

    def _take_scalars(self, order: int, record: Scalars, fact: Fact) -> None:
        where = record.stage, record.axis, fact.header.rank
        if max(abs(record.step), abs(record.epoch or 0)) >= LARGEST:
            path, reason = Path(fact.cursor.segment), f"step {record.step} needs more than 64 bits"
            self.damage.append(Damage(path, fact.cursor.offset, 0, reason))
            return
        for name, value in record.items().items():
            key = SeriesKey(name, *where)
            series = self.series.get(key)
            if series is None:
                series = self.series[key] = Series(key)
            series.add(order, record, value, fact.counts)

    def _take_other(self, item: Record) -> None:
        if isinstance(item, Params):
            self.about[item.about] = merge(self.about.get(item.about, {}), item.params)
        elif isinstance(item, Started):
            self.about["start"] = {**self.about.get("start", {}), **item.info}
        elif type(item) in self.listed:
            self.listed[type(item)].append(item)

    def at(self, checkpoint: CheckpointView, series: Series) -> Point | None:
        """The last point of the training before the checkpoint's mark, of this attempt or an earlier one."""
        spans = [trace.orders for trace in self.traces if trace.header.role == "train"]
        return series.before(checkpoint.order, spans)


def _worth_arrays(journal: Path) -> bool:
    """Whether there is much to read, or columns, and numpy to read it with."""
    paths = [path for segments in writers(journal).values() for path in segments]
    if not any(path.suffix == SUFFIX for path in paths) and sum(map(_size, paths)) < SMALL:
        return False
    return find_spec("numpy") is not None


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # it is read in a moment, and that tells
        return 0


def _touched(folder: RunFolder) -> float:
    """When the newest file of the journal was modified; without one, when the folder was."""
    times = []
    for path in [*(path for paths in writers(folder.journal).values() for path in paths), folder.path]:
        try:
            times.append(path.stat().st_mtime)
        except OSError:  # went away since it was listed
            continue
    files = times[:-1] or times
    return max(files, default=0.0)
