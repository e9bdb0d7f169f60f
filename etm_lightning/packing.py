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

from etm_lightning.column_writer import RefusedError, write_rows
from etm_lightning.columns import SUFFIX, TICKS, WHOLE, Columnar, ColumnFile, Kept, Line, Shape, lines
from etm_lightning.disk import LOCAL
from etm_lightning.lines import BRACE, LINE
from etm_lightning.records import decode

BATCH = 4096
_SCALARS = b'"k":"scalars","n":'
_decode_lines = msgspec.json.Decoder(list[Line]).decode


def pack(segment: Path) -> int:
    """Put columns in the place of a segment's lines.

    Nobody may be writing it. Whoever does so is noticed mostly, and it stays as it is; what comes in the very
    moment before the lines go is there again when its writer syncs, in a new segment.

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
    write_rows(rows, shapes, segment, target)
    if changed := _changed(parts, target):  # as another writer may write numbers: they stay texts
        for i in changed:
            rows[i] = _kept(parts[i])
        write_rows(rows, shapes, segment, target)
        if changed := _changed(parts, target):
            raise RefusedError(f"line {changed[0]} would not come back from columns")


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
