"""One metric of a run without reading the others."""

from __future__ import annotations

import zlib
from array import array
from dataclasses import dataclass
from itertools import compress
from pathlib import Path
from typing import Any

import msgspec

from etm_lightning.attempts import Writer, find_writers
from etm_lightning.naming import SeriesKey, preference
from etm_lightning.store.run import StoredRun
from etm_lightning.store.scan import NotPlainError
from etm_lightning.store.series import NO_EPOCH

_BRACE = zlib.crc32(b"{")


@dataclass(frozen=True)
class Points:
    """The points of one series in columns; `epochs` has `NO_EPOCH` where there is none."""

    key: SeriesKey
    steps: array[int]
    epochs: array[int]
    times: array[float]
    values: array[float]


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
        self._decode = msgspec.json.Decoder(line).decode

    def points(self, run: StoredRun) -> Points | None:
        """The points that count of the metric's series; None if the run has none."""
        try:
            found = self._plainly(run)
        except (NotPlainError, OSError):
            found = None
        return found or self._wholly(run)

    def _wholly(self, run: StoredRun) -> Points | None:
        series = run.find(self.name)
        if series is None:
            return None
        columns: Any = series.columns()
        return Points(series.key, columns["step"], columns["epoch"], columns["time"], columns["value"])

    def _plainly(self, run: StoredRun) -> Points | None:
        """From the lines that name the metric, in a run of one attempt and one training process."""
        lines = _lines(_leading(find_writers(run.folder.journal)).segments, self._needle)
        try:
            rows: list[Any] = list(map(self._decode, lines))
        except msgspec.MsgspecError as error:
            raise NotPlainError(str(error)) from error
        values: list[Any] = [_value(row) if row.x or not row.v else row.v.value for row in rows]
        if None in values:  # the name was that of something else in the line
            rows = [row for row, value in zip(rows, values, strict=True) if value is not None]
            values = [value for value in values if value is not None]
        places = {(row.g, row.a) for row in rows}
        if not places:
            return None
        key = min((SeriesKey(self.name, *place, 0) for place in places), key=preference)
        if len(places) > 1:
            chosen = [row.g == key.stage and row.a == key.axis for row in rows]
            rows, values = list(compress(rows, chosen)), list(compress(values, chosen))
        epochs = [NO_EPOCH if row.e is None else row.e for row in rows]
        try:
            steps = array("q", [row.s for row in rows])
            return Points(
                key, steps, array("q", epochs), array("d", [row.t for row in rows]), array("d", values)
            )
        except OverflowError as error:
            raise NotPlainError("a step that the columns cannot hold") from error


def _value(row: Any) -> float | None:
    value = row.v.value if row.v else None
    return float(row.x.value) if value is None and row.x and row.x.value is not None else value


def _leading(writers: list[Writer]) -> Writer:
    headers = [writer.header for writer in writers if writer.header.role in ("train", "child")]
    if len(headers) != 1 or headers[0].rank or headers[0].role != "train":
        raise NotPlainError("several processes trained")
    (leading,) = [writer for writer in writers if writer.header is headers[0]]
    return leading


def _lines(segments: tuple[Path, ...], needle: bytes) -> list[bytes]:
    """The lines with values that hold `needle`, checked."""
    if len(segments) != 1 or segments[0].suffix != ".jsonl":
        raise NotPlainError("several segments, or not of lines")
    data = segments[0].read_bytes()
    if needle not in data:
        return []
    whole = data[: data.rfind(b"\n") + 1].split(b"\n")
    found = [line for line in whole if needle in line and line[21:29] == b'scalars"']
    if any(line[6:14] != b"%08x" % zlib.crc32(line[16:], _BRACE) for line in found):
        raise NotPlainError("damaged")
    return found
