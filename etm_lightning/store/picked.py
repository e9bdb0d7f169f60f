"""One metric of a run without reading the others. Needs numpy."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from etm_lightning.arrow import known, plain
from etm_lightning.attempts import named
from etm_lightning.columns import SUFFIX, TICKS, ColumnFile
from etm_lightning.lines import BRACE, unseal
from etm_lightning.naming import SeriesKey, preference
from etm_lightning.native import lines as native
from etm_lightning.reading import writers
from etm_lightning.records import Header
from etm_lightning.store.blocks import NO_EPOCH
from etm_lightning.store.scan import NotPlainError

if TYPE_CHECKING:
    from etm_lightning.store.blocks import Floats, Ints
    from etm_lightning.store.run import StoredRun


@dataclass(frozen=True)
class Points:
    """The points of one series in columns; `epochs` has `NO_EPOCH` where there is none."""

    key: SeriesKey
    steps: Ints
    epochs: Ints
    times: Floats
    values: Floats


class _Place(msgspec.Struct, frozen=True, gc=False):
    """Where the values of a line were measured."""

    t: float
    s: int
    a: str = "step"
    e: int | None = None
    g: str = ""


class Picker:
    """Reads one metric of many runs.

    Args:
        name: as logged, or a name by which `StoredRun.metrics` knows a series.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._needle = msgspec.json.encode(name) + b":"
        value, text = (
            msgspec.defstruct("_Part", [("value", kind | None, None)], rename={"value": name}, gc=False)
            for kind in (float, str)
        )
        parts: list[Any] = [("v", value | None, None), ("x", text | None, None)]
        line = msgspec.defstruct("_Line", parts, bases=(_Place,), frozen=True, gc=False)
        self._decode = msgspec.json.Decoder(list[line]).decode  # type: ignore[valid-type]  # made a moment ago

    def points(self, run: StoredRun) -> Points | None:
        """The points that count of the metric's series; None if the run has none."""
        try:
            segment = _leading(run.folder.journal)
            found = self._of_columns(segment) if segment.suffix == SUFFIX else self._of_lines(segment)
        except (NotPlainError, OSError, ValueError):
            found = None
        return found or self._wholly(run)

    def _wholly(self, run: StoredRun) -> Points | None:
        series = run.find(self.name)
        if series is None:
            return None
        columns = series.columns()
        return Points(series.key, *(np.asarray(columns[name]) for name in ("step", "epoch", "time", "value")))

    def _of_lines(self, segment: Path) -> Points | None:
        """From the lines that name the metric."""
        data = segment.read_bytes()
        if data and not data.endswith(b"\n"):
            raise NotPlainError("it ends within a line")
        _check_header(unseal(data[: data.find(b"\n")])[1] if data else None)
        found = native.rows(data, self.name) if native.rows else None
        return self._decoded(data) if found is None else self._compiled(found[1])

    def _compiled(self, shapes: Sequence[Any]) -> Points | None:
        """From what the compiled way found, a shape for each stage and axis."""
        if not shapes:
            return None
        key = self._key({(shape[0], shape[1]) for shape in shapes})
        [mine] = [shape for shape in shapes if (shape[0], shape[1]) == (key.stage, key.axis)]
        times, steps, epochs, values = mine[4:]
        return Points(
            key,
            np.frombuffer(steps, np.int64),
            np.frombuffer(epochs, np.int64),
            np.frombuffer(times),
            np.frombuffer(values),
        )

    def _decoded(self, data: bytes) -> Points | None:
        """The same in Python."""
        lines = data.split(b"\n")
        needle = self._needle
        named = [line for line in lines if needle in line and line[21:29] == b'scalars"']
        checks = np.array([zlib.crc32(line[16:], BRACE) for line in named], ">u4").tobytes().hex().encode()
        if checks != b"".join([line[6:14] for line in named]):
            raise NotPlainError("damaged")
        rows: list[Any] = self._decode(b"[" + b",".join(named) + b"]")
        values: list[Any] = [_value(row) if row.x or not row.v else row.v.value for row in rows]
        if None in values:  # the name was that of something else in the line
            rows = [row for row, value in zip(rows, values, strict=True) if value is not None]
            values = [value for value in values if value is not None]
        places = {(row.g, row.a) for row in rows}
        if not places:
            return None
        key = self._key(places)
        if len(places) > 1:
            chosen = [(row.g, row.a) == (key.stage, key.axis) for row in rows]
            rows, values = list(compress(rows, chosen)), list(compress(values, chosen))
        try:
            return Points(
                key,
                np.array([row.s for row in rows], np.int64),
                np.array([NO_EPOCH if row.e is None else row.e for row in rows], np.int64),
                np.array([row.t for row in rows], float),
                np.array(values, float),
            )
        except OverflowError as error:
            raise NotPlainError("a step that the columns cannot hold") from error

    def _of_columns(self, segment: Path) -> Points | None:
        """From the metric's own column."""
        with ColumnFile(segment) as file:
            first = file.first()
            _check_header(file.record(first) if first else None)
            shapes = [shape for shape in file.about.shapes if self.name in shape.names]
            if not shapes:
                return None
            if file.about.texts != 0 or file.about.rows != file.about.last + 1:
                raise NotPlainError("values that are kept as text, or a record twice")
            key = self._key({(shape.stage, shape.axis) for shape in shapes})
            column = f"{key.stage}|{key.axis}|{self.name}"
            groups = [file.group(i, ["ticks", "s", "e", column]) for i in range(file.groups)]
        parts = [_picked(*group.columns) for group in groups]
        return Points(key, *(np.concatenate(several) for several in zip(*parts, strict=True)))

    def _key(self, places: set[tuple[str, str]]) -> SeriesKey:
        return min((SeriesKey(self.name, *place, 0) for place in places), key=preference)


def _picked(ticks: Any, steps: Any, epochs: Any, values: Any) -> tuple[Ints, Ints, Floats, Floats]:
    """Steps, epochs, times and values of the rows that have a value, which is every row of its shapes."""
    at = np.flatnonzero(known(values))
    in_epoch = known(epochs)[at]
    return (
        plain(steps)[at],
        np.where(in_epoch, plain(epochs)[at], NO_EPOCH),
        plain(ticks)[at] / TICKS,
        plain(values)[at].astype(float),
    )


def _value(row: Any) -> float | None:
    value = row.v.value if row.v else None
    return float(row.x.value) if value is None and row.x and row.x.value is not None else value


def _leading(journal: Path) -> Path:
    """The only segment of the only process that trained, as the names of the files have it."""
    found = [
        segments for name, segments in writers(journal).items() if named(name).role in ("train", "child")
    ]
    if len(found) != 1 or len(found[0]) != 1:
        raise NotPlainError("several processes trained, or not one segment")
    return found[0][0]


def _check_header(header: Any) -> None:
    if not isinstance(header, Header) or header.role != "train" or header.rank or not header.attempt:
        raise NotPlainError("not of the first process of a training")
