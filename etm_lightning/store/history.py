"""All that a run's journal says, from one reading."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from etm_lightning.attempts import Fact, facts
from etm_lightning.layout import RunFolder
from etm_lightning.naming import SeriesKey
from etm_lightning.reading import Damage, writers
from etm_lightning.records import (
    Alert,
    Artifact,
    Checkpoint,
    Gap,
    Media,
    Params,
    Record,
    Saved,
    Scalars,
    Started,
    Status,
    Text,
)
from etm_lightning.store.checkpoints import Checkpoints, CheckpointView
from etm_lightning.store.series import LARGEST, Point, Series
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


class History:
    """The records of a run, sorted by what they are about."""

    def __init__(self, folder: RunFolder) -> None:
        self.series: dict[SeriesKey, Series] = {}
        self.about: dict[str, dict[str, Any]] = {}
        self.listed: dict[type, list[Any]] = {kind: [] for kind in (Alert, Artifact, Media, Text, Gap)}
        self.damage: list[Damage] = []
        self._checkpoints = Checkpoints()
        self.traces: list[Trace] = []  # one per writer, in the order of reading
        self._read(folder.journal)
        self._folder = folder
        self.look_again()
        self.checkpoints: list[CheckpointView] = self._checkpoints.views()

    def look_again(self) -> None:
        """See whether the processes that wrote it still live."""
        self.touched = _touched(self._folder)
        self.state: State = state(self.traces, touched=self.touched, now=time.time())

    def lives(self) -> dict[int, tuple[float | None, Status]]:
        """By attempt when it ended, in Unix seconds, and its status; None while it lives."""
        touched, now = _touched(self._folder), time.time()
        found = {}
        for attempt in range(1, self.state.attempts + 1):
            traces = [trace for trace in self.traces if trace.header.attempt == attempt]
            if traces:
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
            for order, fact in enumerate(facts(journal, superseded=True)):
                self._take(order, fact)
        except OSError as error:  # a file that went away or may not be read: the rest stays readable
            path = Path(error.filename or journal)
            self.damage.append(Damage(path, 0, 0, f"cannot be read: {error.strerror or error}"))

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
