"""Stretches of a segment with their measurements in arrays: what `reading.read` gives, sooner."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import msgspec

from etm_lightning.lines import BRACE, unseal
from etm_lightning.native import lines as native
from etm_lightning.reading import Cursor, Damage, read_lines, segment_name
from etm_lightning.records import Nonfinite, Record, Scalars

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Ints = npt.NDArray[np.int64]
    Floats = npt.NDArray[np.float64]

LARGEST = 2**63 - 1
"""The largest step and epoch that arrays hold."""
NO_EPOCH = -LARGEST
CHUNK = 4 << 20
_SCALARS = b'"k":"scalars","n":'


class Columns(Protocol):
    """The values of each name, by its place among the names."""

    def __getitem__(self, i: int, /) -> Floats: ...


class Rows(NamedTuple):
    """Measurements with the same values in the same order; `at` is which items of the block they are."""

    stage: str
    axis: str
    names: tuple[str, ...]
    at: Ints
    times: Floats
    steps: Ints
    epochs: Ints
    values: Columns


class Other(NamedTuple):
    """An item that is not in arrays, which item of the block it is, and its line if that is plain."""

    at: int
    cursor: Cursor
    item: Record | Damage
    line: bytes = b""


@dataclass
class Block:
    """Consecutive items of a segment. `numbers` are those of the records; of damage it is -1."""

    numbers: Ints
    rows: list[Rows]
    others: list[Other]
    plain: bool = True  # no damage in it, and nothing that does not fit into arrays


@dataclass
class Segment:
    """What was read of a segment so far.

    Attributes:
        blocks: up to byte `end`, which is behind the newline of a record.
        crc: CRC-32 of these bytes.
        tail: what lies behind them: damage, or the record of a dead writer that has no newline.
        stamp: size, time and inode of the file when it was read.
        cached: how many of these bytes are in the run's cache.
    """

    blocks: list[Block] = field(default_factory=list)
    end: int = 0
    crc: int = 0
    tail: Block | None = None
    stamp: tuple[int, int, int] = (-1, 0, 0)
    cached: int = 0


class _Row(msgspec.Struct, frozen=True, gc=False):
    """A `scalars` record with its number, decoded as `records.Scalars` is."""

    n: int
    t: float
    s: int
    a: str = "step"
    e: int | None = None
    g: str = ""
    v: dict[str, float] = {}
    x: dict[str, Nonfinite] = {}

    def items(self) -> dict[str, float]:
        return {**self.v, **{name: float(text) for name, text in self.x.items()}} if self.x else self.v


_decode_rows = msgspec.json.Decoder(list[_Row]).decode


def stamp(path: Path) -> tuple[int, int, int]:
    """What changes when a file does: size, time and inode."""
    now = path.stat()
    return now.st_size, now.st_mtime_ns, now.st_ino


def unchanged(path: Path, known: Segment) -> bool:
    """Whether what was read of a file is still there."""
    size, _, inode = now = stamp(path)
    if now == known.stamp:
        return True
    if size < known.end or inode != known.stamp[2]:
        return False
    crc, left = 0, known.end
    with path.open("rb") as file:
        while left and (data := file.read(min(left, CHUNK))):
            crc, left = zlib.crc32(data, crc), left - len(data)
    return not left and crc == known.crc


def read_on(path: Path, known: Segment, *, final: bool) -> Segment:
    """Read on in the lines of a segment, from where `known` ends.

    Raises:
        OSError: if the file cannot be read.
    """
    found = Segment(list(known.blocks), known.end, known.crc, None, stamp(path), known.cached)
    with path.open("rb") as file:
        while True:
            data = _whole_lines(file, found.end)
            block = _clean(data, path) if data else None
            if block is not None:
                found.end += len(data)
            else:
                block, end = _slow(path, found, found.end + len(data), final)
                if block is None or end == found.end:
                    return found
                file.seek(found.end)
                data, found.end = file.read(end - found.end), end
            found.blocks.append(block)
            found.crc = zlib.crc32(data, found.crc)


def _whole_lines(file: Any, offset: int) -> bytes:
    """Some lines from `offset` on; none if there is no whole line."""
    size = CHUNK
    while True:
        file.seek(offset)
        data: bytes = file.read(size)
        cut = data.rfind(b"\n") + 1
        if cut or len(data) < size:
            return data[:cut]
        size *= 2


def _clean(data: bytes, path: Path) -> Block | None:
    """The items of some lines; None if anything about them is unusual."""
    measured = _compiled(data) or _decoded(data)
    if measured is None:
        return None
    others = []
    for at, begin, end in measured.others:
        line = data[begin:end]
        item = unseal(line)
        if isinstance(item, str) or item[0] >= LARGEST or isinstance(item[1], Scalars):
            return None
        measured.numbers[at] = item[0]
        others.append(Other(at, Cursor(segment_name(path), item[0]), item[1], line))
    return Block(measured.numbers, measured.rows, others)


class _Measured(NamedTuple):
    """The rows in some lines; of the other lines which they are, where each begins and where it ends."""

    numbers: Ints
    rows: list[Rows]
    others: Sequence[tuple[int, int, int]]


def _compiled(data: bytes) -> _Measured | None:
    """The rows in some lines by the compiled way; None if there is none, or a line is not for it."""
    import numpy as np

    found = native.rows(data) if native.rows else None
    if found is None:
        return None
    numbers, shapes, others = found
    rows = []
    for stage, axis, names, *columns, values in shapes:
        at, times, steps, epochs = map(np.frombuffer, columns, (np.int64, float, np.int64, np.int64))
        table = np.frombuffer(values).reshape(len(names), len(at))
        rows.append(Rows(stage, axis, names, at, times, steps, epochs, table))
    return _Measured(np.frombuffer(numbers, np.int64).copy(), rows, others)


def _decoded(data: bytes) -> _Measured | None:
    """The same in Python; None if anything about a row is unusual."""
    import numpy as np

    lines = data.split(b"\n")
    lines.pop()
    measured = [line.startswith(_SCALARS, 16) and line.startswith(b'{"c":"') for line in lines]
    fast = [line for line, is_scalars in zip(lines, measured, strict=True) if is_scalars]
    checks = np.array([zlib.crc32(line[16:], BRACE) for line in fast], ">u4").tobytes().hex().encode()
    if checks != b"".join([line[6:14] for line in fast]) or any(line[14:16] != b'",' for line in fast):
        return None
    try:
        rows = _decode_rows(b"[" + b",".join(fast) + b"]")
        found = _in_arrays(rows, np.flatnonzero(measured))
    except (ValueError, OverflowError, RecursionError):
        return None
    numbers = np.empty(len(lines), np.int64)
    numbers[measured] = [row.n for row in rows]
    if len(rows) != len(fast) or found is None or (len(rows) and numbers[measured].min() < 0):
        return None
    ends = np.cumsum([len(line) + 1 for line in lines]) - 1
    others = np.flatnonzero(~np.array(measured, bool)).tolist()
    return _Measured(numbers, found, [(at, int(ends[at]) - len(lines[at]), int(ends[at])) for at in others])


def _in_arrays(rows: Sequence[_Row], at: Ints) -> list[Rows] | None:
    """Measurements by what they have in common; None if a step or epoch does not fit."""
    import numpy as np

    if not len(rows):
        return []
    kinds: dict[tuple[str, ...], int] = {}
    kind = np.array([kinds.setdefault((row.g, row.a, *row.items()), len(kinds)) for row in rows])
    steps = np.array([row.s for row in rows], np.int64)
    epochs = np.array([NO_EPOCH + 1 if row.e is None else row.e for row in rows], np.int64)
    if max(steps.max(), epochs.max()) >= LARGEST or min(steps.min(), epochs.min()) <= NO_EPOCH:
        return None
    epochs[[row.e is None for row in rows]] = NO_EPOCH
    times = np.array([row.t for row in rows], float)
    found = []
    for (stage, axis, *names), where in zip(kinds, parted(kind, len(kinds)), strict=True):
        mine = rows if len(kinds) == 1 else [rows[i] for i in where.tolist()]
        flat = chain.from_iterable([row.items().values() for row in mine])
        table = np.fromiter(flat, float, len(mine) * len(names)).reshape(len(mine), len(names)).T
        place = at[where], times[where], steps[where], epochs[where]
        found.append(Rows(stage, axis, tuple(names), *place, np.ascontiguousarray(table)))
    return found


def parted(kind: Ints, count: int) -> list[Ints]:
    """Where each kind, from 0 on, is."""
    import numpy as np

    order = np.argsort(kind, kind="stable")
    cuts = np.searchsorted(kind[order], np.arange(count + 1))
    return [order[begin:end] for begin, end in pairwise(cuts.tolist())]


def _slow(path: Path, found: Segment, upto: int, final: bool) -> tuple[Block | None, int]:
    """The items from the end of `found` on, record by record, at least up to a byte.

    Returns:
        The items up to the last record that ends with a newline, and where that is; what lies behind becomes
        the tail of `found`.
    """
    items: list[tuple[Cursor, Record | Damage]] = []
    whole, end = 0, found.end
    with path.open("rb") as file:
        after = Cursor(segment_name(path), LARGEST, found.end) if found.end else Cursor()
        for cursor, item in read_lines(path, after, final=final):
            items.append((cursor, item))
            if isinstance(item, Damage):
                continue
            file.seek(cursor.offset - 1)
            if file.read(1) == b"\n":
                whole, end = len(items), cursor.offset
                if end >= upto:
                    break
    found.tail = _of_items(items[whole:]) if items[whole:] else None
    return (_of_items(items[:whole]) if whole else None), end


def _of_items(items: Sequence[tuple[Cursor, Record | Damage]]) -> Block:
    import numpy as np

    rows, at, others = [], [], []
    for i, (cursor, item) in enumerate(items):
        if isinstance(item, Scalars) and max(abs(item.step), abs(item.epoch or 0)) < LARGEST:
            rows.append(_Row(cursor.n, item.time, item.step, item.axis, item.epoch, item.stage, item.items()))
            at.append(i)
        else:
            others.append(Other(i, cursor, item))
    numbers = [-1 if isinstance(item, Damage) else cursor.n for cursor, item in items]
    found = _in_arrays(rows, np.array(at, np.int64))
    assert found is not None
    return Block(np.array(numbers, np.int64), found, others, plain=False)
