"""Putting columns in the place of a finished segment's lines: at any moment every reader sees it once."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import zlib
from collections.abc import Iterable, Iterator, Sequence
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
    Line,
    Shape,
    check,
    footer,
    groups,
    lines,
    pyarrow,
)
from etm_lightning.disk import LOCAL
from etm_lightning.lines import BRACE, LINE
from etm_lightning.records import decode

BATCH = 4096
_CELLS = 1 << 27
_SCALARS = b'"k":"scalars","n":'
_decode_lines = msgspec.json.Decoder(list[Line]).decode


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
    parts = segment.split(b"\n")
    if parts.pop():
        raise RefusedError("its last line has no end")
    shapes: dict[Shape, int] = {}
    rows = _rows(parts, shapes)
    _write(rows, _about(segment, rows, shapes), target)
    if changed := _changed(parts, target):  # as another writer may write numbers: they stay texts
        for i in changed:
            rows[i] = _kept(parts[i])
        _write(rows, _about(segment, rows, shapes), target)
        if changed := _changed(parts, target):
            raise RefusedError(f"line {changed[0]} would not come back from columns")


def _about(segment: bytes, rows: Sequence[Columnar | Kept], shapes: Iterable[Shape]) -> About:
    return About(
        size=len(segment),
        sha256=hashlib.sha256(segment).hexdigest(),
        rows=len(rows),
        last=rows[-1].n if rows else -1,
        first=rows[0].json if rows and isinstance(rows[0], Kept) else "",
        shapes=tuple(shapes),
    )


def _changed(parts: Sequence[bytes], target: Path) -> list[int]:
    """Which lines do not come back from columns.

    Raises:
        RefusedError: if there are more or fewer.
    """
    found = [line == part for line, part in zip(lines(target), _ended(parts), strict=True)]
    return [i for i, same in enumerate(found) if not same]


def _ended(parts: Iterable[bytes]) -> Iterator[bytes]:
    for part in parts:
        yield part + b"\n"


def _rows(parts: Sequence[bytes], shapes: dict[Shape, int]) -> list[Columnar | Kept]:
    rows: list[Columnar | Kept] = []
    known: dict[tuple[Any, ...], int | None] = {}
    for begin in range(0, len(parts), BATCH):
        batch = parts[begin : begin + BATCH]
        checks = b"".join([b"%08x" % zlib.crc32(line[16:], BRACE) for line in batch])
        whole = checks == b"".join([line[6:14] for line in batch]) and all(map(LINE.match, batch))
        if not whole:
            raise RefusedError(_damage(parts))
        measured = iter(_measured([line for line in batch if line.startswith(_SCALARS, 16)]))
        for line in batch:
            found = next(measured) if line.startswith(_SCALARS, 16) else None
            row = _fitted(found, known, shapes) if found else None
            rows.append(row or _kept(line))
    return rows


def _measured(batch: Sequence[bytes]) -> list[Line | None]:
    """The `scalars` of these lines; None where one has null for a field that may be left out, say."""
    try:
        found: list[Line | None] = [*_decode_lines(b"[" + b",".join(batch) + b"]")]
    except (msgspec.DecodeError, RecursionError):
        found = []
    if len(found) == len(batch):
        return found
    return [None] if len(batch) == 1 else [one for line in batch for one in _measured([line])]


def _damage(parts: Sequence[bytes]) -> str:
    offset = 0
    for line in parts:
        match = LINE.match(line)
        if match is None or b"%08x" % zlib.crc32(line[16:], BRACE) != match[1]:
            break
        offset += len(line) + 1
    return f"it is damaged at byte {offset}"


def _kept(line: bytes) -> Kept:
    match = LINE.match(line)
    assert match is not None
    n, kind = int(match[3]), match[2].decode()
    if n >= WHOLE:
        raise RefusedError(f"record number {n} is too large")
    try:
        decode(kind, line)
        return Kept(n, kind, "{" + line[16:].decode())
    except (ValueError, RecursionError) as error:
        raise RefusedError(f"record {n} is damaged: {error}") from error


def _fitted(
    found: Line, known: dict[tuple[Any, ...], int | None], shapes: dict[Shape, int]
) -> Columnar | None:
    """The record as a row of columns; None if it does not fit."""
    ticks = found.t * TICKS
    epoch = None if found.e is UNSET else found.e
    if not ticks.is_integer() or max(abs(ticks), abs(found.s), abs(epoch or 0), found.n) >= WHOLE:
        return None
    values = found.v or {}
    if found.x:
        values = {**values, **{name: float(text) for name, text in found.x.items()}}
    key = found.g, found.a, *values
    try:
        number = known[key]
    except KeyError:
        shape = Shape(tuple(values), _known(found.g), _known(found.a))
        fits = "|" not in shape.stage + shape.axis
        number = known[key] = shapes.setdefault(shape, len(shapes)) if fits else None
    if number is None:
        return None
    return Columnar(found.n, int(ticks), found.s, epoch, number, tuple(values.values()))


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
    wide = ["json", *split]  # of the others little is left to compress, and each has to be read for a series
    with pq.ParquetWriter(
        target,
        schema,
        compression={name: "zstd" if name in wide else "none" for name in arrays},
        compression_level=dict.fromkeys(wide, 9),
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
    names = {name for shape in shapes for name in shape.columns()}
    if len(names) * len(rows) > _CELLS:
        raise RefusedError(f"{len(names)} series in {len(rows)} records are too sparse for columns")
    found: dict[str, tuple[Any, Any]] = {}
    for number, shape in enumerate(shapes):
        if not at[number]:  # its records are kept as texts after all
            continue
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
