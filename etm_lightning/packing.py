"""Putting columns in the place of a finished segment's lines: at any moment every reader sees it once."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from etm_lightning.columns import (
    FIXED,
    MARK,
    ROWS,
    SUFFIX,
    TICKS,
    WHOLE,
    About,
    Columnar,
    ColumnFile,
    Kept,
    Shape,
    check,
    decode_line,
    footer,
    groups,
    lines,
    pyarrow,
    text,
)
from etm_lightning.disk import LOCAL
from etm_lightning.lines import BRACE, LINE
from etm_lightning.records import decode


class RefusedError(ValueError):
    """A segment that stays as it is, and why."""


def pack(segment: Path) -> int:
    """Put columns in the place of a segment's lines. Nobody may be writing it.

    May be broken off at any moment, and done by several processes at once: until the lines are gone they
    count, and they go when the columns are durable and have been read back.

    Args:
        segment: the ``.jsonl`` file.

    Returns:
        How many bytes that freed; 0 if somebody else has done it.

    Raises:
        RefusedError: if it stays as it is: it is damaged, being written, or would not be smaller.
        ImportError: without pyarrow.
        OSError: if the folder cannot be written.
    """
    columns = segment.with_suffix(SUFFIX)
    try:
        before = segment.stat()
        content = segment.read_bytes()
        if not _stands_for(columns, content):
            _put(columns, content, segment)
        LOCAL.sync_folder(segment.parent)
        after = segment.stat()
        if (after.st_size, after.st_mtime_ns) != (len(content), before.st_mtime_ns):
            columns.unlink(missing_ok=True)
            raise RefusedError("it is being written")
        segment.unlink()
    except FileNotFoundError:
        if columns.exists():
            return 0
        raise
    LOCAL.sync_folder(segment.parent)
    return len(content) - columns.stat().st_size


def _stands_for(columns: Path, content: bytes) -> bool:
    """Whether the columns are there already, whole, for these bytes."""
    try:
        with ColumnFile(columns) as file:
            return file.about.sha256 == hashlib.sha256(content).hexdigest() and file.sound()
    except (OSError, ValueError):
        return False


def _put(columns: Path, content: bytes, segment: Path) -> None:
    temporary = columns.with_name(f".{columns.name}.{secrets.token_hex(4)}.tmp")
    try:
        write(content, temporary)
        if temporary.stat().st_size >= len(content):
            raise RefusedError("its columns would not be smaller")
        shutil.copystat(segment, temporary)  # when it was written tells whether a run lives
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, columns)
    finally:
        temporary.unlink(missing_ok=True)


def write(segment: bytes, target: Path) -> None:
    """Write the columnar form of a whole segment, and prove that its lines come back from it.

    Args:
        segment: the bytes of the ``.jsonl`` file.
        target: the file to make; not synced, and left there when this raises.

    Raises:
        RefusedError: if there is damage in the segment, or its bytes would not come back.
        ImportError: without pyarrow.
        OSError: if the file cannot be written.
    """
    rows, shapes = _rows(segment)
    about = About(
        size=len(segment),
        sha256=hashlib.sha256(segment).hexdigest(),
        rows=len(rows),
        last=rows[-1].n if rows else -1,
        first=rows[0].json if rows and isinstance(rows[0], Kept) else "",
        shapes=tuple(shapes),
    )
    _write(rows, about, target)
    offset = 0
    for line in lines(target):
        if not segment.startswith(line, offset):
            raise RefusedError(f"the line at byte {offset} would not come back from columns")
        offset += len(line)
    if offset != len(segment):
        raise RefusedError(f"only {offset} of {len(segment)} bytes would come back from columns")


def _rows(segment: bytes) -> tuple[list[Columnar | Kept], list[Shape]]:
    parts = segment.split(b"\n")
    if parts.pop():
        raise RefusedError("its last line has no end")
    shapes: dict[Shape, int] = {}
    rows, offset = [], 0
    for line in parts:
        match = LINE.match(line)
        if match is None or b"%08x" % zlib.crc32(line[16:], BRACE) != match[1]:
            raise RefusedError(f"it is damaged at byte {offset}")
        rows.append(_row(line, int(match[3]), match[2].decode(), shapes))
        offset += len(line) + 1
    return rows, list(shapes)


def _row(line: bytes, n: int, kind: str, shapes: dict[Shape, int]) -> Columnar | Kept:
    try:
        decode(kind, line)
        if n >= WHOLE:
            raise RefusedError(f"record number {n} is too large")
        row = _fitted(line, shapes) if kind == "scalars" else None
        return row or Kept(n, kind, "{" + line[16:].decode())
    except (UnicodeDecodeError, RecursionError, msgspec.DecodeError) as error:
        raise RefusedError(f"record {n} is damaged: {error}") from error


def _fitted(line: bytes, shapes: dict[Shape, int]) -> Columnar | None:
    """The record as a row of columns; None if the line would not come back from them."""
    try:
        found = decode_line(line)
    except msgspec.ValidationError:  # null where a field is left out
        return None
    ticks = found.t * TICKS
    epoch = None if found.e is UNSET else found.e
    values = {**(found.v or {}), **{name: float(text) for name, text in (found.x or {}).items()}}
    shape = Shape(tuple(values), _known(found.g), _known(found.a))
    if (
        not ticks.is_integer()
        or max(abs(ticks), abs(found.s), abs(epoch or 0)) >= WHOLE
        or "|" in shape.stage + shape.axis
    ):
        return None
    row = Columnar(found.n, int(ticks), found.s, epoch, -1, tuple(values.values()))
    if text(row, shape) != b"{" + line[16:]:
        return None
    return row._replace(shape=shapes.setdefault(shape, len(shapes)))


def _known(field: str | UnsetType) -> str | None:
    return None if field is UNSET else field


def _write(rows: Sequence[Columnar | Kept], about: About, target: Path) -> None:
    pa, pq = pyarrow()
    arrays = {name: _fixed(pa, name, rows) for name in FIXED} | _series(pa, rows, about.shapes)
    schema = pa.schema(
        [pa.field(name, column.type, nullable=name not in ("n", "k")) for name, column in arrays.items()]
    )
    deltas = dict.fromkeys(("n", "ticks", "s", "e"), "DELTA_BINARY_PACKED")
    split = dict.fromkeys([name for name in arrays if name not in FIXED], "BYTE_STREAM_SPLIT")
    with pq.ParquetWriter(
        target,
        schema,
        compression="zstd",
        compression_level=9,
        use_dictionary=["k", "shape"],
        column_encoding={**deltas, **split, "json": "PLAIN"},
        store_schema=False,
    ) as file:
        file.write_table(pa.Table.from_arrays(list(arrays.values()), schema=schema), row_group_size=ROWS)
        zeros = "0" * 8 * (1 + -(-len(rows) // ROWS))
        file.add_key_value_metadata(
            {"etm": msgspec.json.encode(about).decode(), "etm.check": MARK.decode() + zeros}
        )
    _seal(target)


def _seal(path: Path) -> None:
    """Put the checksums into the file: of its footer first, then of each row group."""
    with path.open("r+b") as file:
        start, foot, place = footer(file)
        places = groups(pyarrow()[1].read_metadata(path))
        checks = b"".join(b"%08x" % check(file, *group) for group in places)
        sealed = foot[: place + 8] + checks + foot[place + 8 + len(checks) :]
        file.seek(start)
        file.write(sealed[:place] + b"%08x" % zlib.crc32(sealed) + sealed[place + 8 :])


def _fixed(pa: Any, name: str, rows: Sequence[Columnar | Kept]) -> Any:
    """One of the columns that every file has."""
    of_scalars = {"ticks": "ticks", "s": "step", "e": "epoch", "shape": "shape"}
    if name in of_scalars:
        column = [getattr(row, of_scalars[name], None) for row in rows]
        return pa.array(column, pa.int32() if name == "shape" else pa.int64())
    if name == "n":
        return pa.array([row.n for row in rows], pa.int64())
    if name == "k":
        return pa.array([row.kind if isinstance(row, Kept) else "scalars" for row in rows], pa.string())
    return pa.array([row.json if isinstance(row, Kept) else None for row in rows], pa.string())


def _series(pa: Any, rows: Sequence[Columnar | Kept], shapes: Sequence[Shape]) -> dict[str, Any]:
    """A column for each series: as float32 where that loses nothing, else as float64."""
    import numpy as np

    at: list[list[int]] = [[] for _ in shapes]
    values: list[list[tuple[float, ...]]] = [[] for _ in shapes]
    for i, row in enumerate(rows):
        if isinstance(row, Columnar):
            at[row.shape].append(i)
            values[row.shape].append(row.values)
    found: dict[str, tuple[Any, Any]] = {}
    for number, shape in enumerate(shapes):
        places, table = np.array(at[number]), np.array(values[number], float)
        for i, name in enumerate(shape.columns()):
            if name not in found:
                found[name] = np.zeros(len(rows)), np.ones(len(rows), bool)
            found[name][0][places], found[name][1][places] = table[:, i], False
    return {name: _packed(pa, np, *column) for name, column in found.items()}


def _packed(pa: Any, np: Any, values: Any, missing: Any) -> Any:
    with np.errstate(over="ignore"):
        short = values.astype(np.float32)
    exact = bool(((short == values) | np.isnan(values)).all())
    return pa.array(short if exact else values, mask=missing, from_pandas=False)
