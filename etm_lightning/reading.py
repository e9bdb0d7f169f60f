"""Reading the files of a journal: every whole record, whatever happened to the bytes around it."""

from __future__ import annotations

import errno
import itertools
import os
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from etm_lightning.columns import SUFFIX, ColumnFile
from etm_lightning.lines import LINE, unseal
from etm_lightning.records import Record

_LINES = ".jsonl"


class Cursor(msgspec.Struct, frozen=True, eq=False):
    """A place in a writer's records: after record number `n`, which lies in file `segment`.

    `offset` is the byte after that record's line, a hint that spares a scan; comparisons leave it out.
    """

    segment: str = ""
    n: int = -1
    offset: int = 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Cursor) and (self.segment, self.n) == (other.segment, other.n)

    def __ne__(self, other: object) -> bool:  # a Struct has one of its own, which does not ask `__eq__`
        return not self == other

    def __hash__(self) -> int:
        return hash((self.segment, self.n))


START = Cursor()


@dataclass(frozen=True)
class Damage:
    """`size` bytes at `offset` of `path` that hold no whole record."""

    path: Path
    offset: int
    size: int
    reason: str


# offset and size of a part of a line, and the number and record in it or the reason why there is none
_Part = tuple[int, int, tuple[int, Record] | str]


def writers(folder: Path) -> dict[str, list[Path]]:
    """The segments in a ``journal/`` folder by writer, each list in the order of writing.

    A segment has one of two forms, lines or columns. Where there are both, because it is being replaced, the
    lines count.
    """
    found: dict[str, dict[int, Path]] = {}
    for name in sorted(_listed(str(folder))):  # lines before columns
        stem, suffix = os.path.splitext(name)
        writer, _, number = stem.rpartition(".")
        if suffix in (_LINES, SUFFIX) and writer and number.isdecimal():
            found.setdefault(writer, {}).setdefault(int(number), folder / name)
    return {writer: [path for _, path in sorted(found[writer].items())] for writer in sorted(found)}


def _listed(folder: str) -> list[str]:
    """The names in a folder; asked again when they changed meanwhile: a listing may miss what is replaced."""
    try:
        for _ in range(10):
            before = os.stat(folder).st_mtime_ns
            names = os.listdir(folder)
            if os.stat(folder).st_mtime_ns == before:
                break
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [name for name in names if not name.startswith(".")]


def segment_name(path: Path) -> str:
    """The name by which cursors know a segment, whatever its form: that of its lines."""
    return path.stem + _LINES


def follow(
    segments: Iterable[Path], after: Cursor = START, *, final: bool = False
) -> Iterator[tuple[Cursor, Record | Damage]]:
    """Read one writer's segments in order, each record once.

    A record that was written again in a later segment, because the disk failed in between, keeps its number
    and is told by it. Damage comes with the cursor of the record before it.

    Args:
        segments: one value of `writers`.
        after: where to go on.
        final: the writer is dead: report an unterminated last line instead of waiting for its end.
    """
    paths = list(segments)
    names = [segment_name(path) for path in paths]
    known = names.index(after.segment) + 1 if after.segment in names else 0
    seen = _Seen(paths[:known], after)
    first = max(known - 1, 0)
    for path in paths[first:]:
        for cursor, item in read(path, after, final=final or path is not paths[-1]):
            if isinstance(item, Damage):
                yield after, item
            elif seen.add(cursor.n):
                after = cursor
                yield cursor, item


class _Seen:
    """The record numbers that came already, as ranges: few, because numbers come nearly in order.

    What `segments` hold up to the cursor `after` is read only once a number comes late: it may come again.
    """

    def __init__(self, segments: list[Path], after: Cursor) -> None:
        self._segments, self._after = segments, after
        self._highest = after.n
        self._starts: list[int] = []
        self._stops: list[int] = []

    def add(self, n: int) -> bool:
        """Put `n` in; False if it was there."""
        if n <= self._highest:
            self._look_back()
        else:
            self._highest = n
        return self._put(n)

    def _put(self, n: int) -> bool:
        i = bisect_right(self._starts, n)
        if i and n < self._stops[i - 1]:
            return False
        if i and n == self._stops[i - 1]:
            self._stops[i - 1] = n + 1
        else:
            self._starts.insert(i, n)
            self._stops.insert(i, n + 1)
        return True

    def _look_back(self) -> None:
        segments, self._segments = self._segments, []
        for path in segments:
            for n in _numbers(path, self._after if segment_name(path) == self._after.segment else None):
                self._put(n)


def _numbers(path: Path, upto: Cursor | None) -> list[int]:
    """The numbers of the records in a segment, up to a cursor if one is given."""
    if path.suffix == _LINES:
        try:
            end = _place(path, upto) if upto else None
            found = [
                cursor for cursor, item in read_lines(path, START, final=True) if not isinstance(item, Damage)
            ]
            return [cursor.n for cursor in found if end is None or cursor.offset <= end]
        except OSError as error:
            path = replaced(path, error)
    try:
        with ColumnFile(path) as file:
            return file.numbers()[: file.after(upto.n) if upto else None]
    except ValueError:  # damaged: `read` tells of it
        return []


def read(
    path: Path, after: Cursor = START, *, final: bool = False
) -> Iterator[tuple[Cursor, Record | Damage]]:
    """Read one segment: every whole record with its cursor, and every stretch that is none.

    A flipped bit or a torn line costs that record only: reading goes on where the next one begins, be it
    within the line. An unterminated last line is left alone, because its writer may be in the middle of it.
    Damage comes with the cursor of the record before it.

    Args:
        path: the segment.
        after: where to go on in this segment.
        final: the writer is dead: take an unterminated last line for what it is.

    Raises:
        OSError: if the file cannot be read.
    """
    if path.suffix == _LINES:
        try:
            for place, item in read_lines(path, after, final=final):
                after = place  # to go on from, if the file goes away
                yield place, item
            return
        except OSError as error:
            path = replaced(path, error)
    yield from _read_columns(path, after)


def replaced(path: Path, error: OSError) -> Path:
    """The columns that took the place of lines which are gone.

    Raises:
        OSError: `error`, if that is not what happened.
    """
    columns = path.with_suffix(SUFFIX)
    if error.errno not in (errno.ENOENT, errno.ESTALE) or not columns.exists():
        raise error
    return columns


def _read_columns(path: Path, after: Cursor) -> Iterator[tuple[Cursor, Record | Damage]]:
    name = segment_name(path)
    cursor = after if after.segment == name else START
    try:
        file = ColumnFile(path)
    except ValueError as error:
        yield cursor, Damage(path, 0, path.stat().st_size, str(error))
        return
    with file:
        if cursor.n == file.about.last:
            return
        skip = 0
        if cursor != START:
            skip = file.after(cursor.n)
        elif (first := file.first()) is not None:
            skip, cursor = 1, Cursor(name, first.n)
            yield cursor, file.record(first)
        for number in range(file.groups):
            size = file.size(number)
            if skip >= size:
                skip -= size
                continue
            try:
                for row in itertools.islice(file.rows(number), skip, None):
                    cursor = Cursor(name, row.n)
                    yield cursor, file.record(row)
            except ValueError as error:
                yield cursor, Damage(path, *file.place(number), str(error))
            skip = 0


def read_lines(path: Path, after: Cursor, *, final: bool) -> Iterator[tuple[Cursor, Record | Damage]]:
    """`read` of a segment that consists of lines."""
    name = segment_name(path)
    cursor, offset = (after, _place(path, after)) if after.segment == name else (START, 0)
    damage: Damage | None = None
    parts: Iterable[_Part]
    with path.open("rb") as file:
        file.seek(offset)
        for line in file:
            if not line.endswith(b"\n") and not final:
                break
            whole = unseal(line.removesuffix(b"\n"))
            parts = _salvage(line, whole) if isinstance(whole, str) else [(0, len(line), whole)]
            for start, size, found in parts:
                if isinstance(found, str):
                    damage = _joined(damage, Damage(path, offset + start, size, found))
                    continue
                if damage:
                    yield cursor, damage
                    damage = None
                cursor = Cursor(name, found[0], offset + start + size)
                yield cursor, found[1]
            offset += len(line)
    if damage:
        yield cursor, damage


def _place(path: Path, after: Cursor) -> int:
    """The byte to go on at: behind record `after.n`, or where that was damaged, behind the one before it.

    What has a higher number was not before it, nor what lies behind its place where that is known: numbers
    may come out of order.
    """
    if after.offset:
        with path.open("rb") as file:
            file.seek(after.offset - 1)
            if file.read(1) == b"\n":
                return after.offset
    place, past = 0, False
    for cursor, item in read_lines(path, START, final=True):
        if isinstance(item, Damage):
            continue
        if cursor.n == after.n:
            return cursor.offset
        past = past or cursor.n > after.n or 0 < after.offset < cursor.offset
        if not past:
            place = cursor.offset
    return place


def _joined(damage: Damage | None, more: Damage) -> Damage:
    """Two neighbouring stretches as one."""
    if damage is None:
        return more
    return Damage(damage.path, damage.offset, more.offset + more.size - damage.offset, damage.reason)


def _salvage(line: bytes, reason: str) -> Iterator[_Part]:
    """The records in a line that is not one, with offset and size, and for every other stretch the reason."""
    starts = [match.start() for match in LINE.finditer(line)]
    if not starts or starts[0] > 0:
        yield 0, starts[0] if starts else len(line), reason
    for start, end in itertools.pairwise([*starts, len(line)]):
        chunk = line[start:end]
        found = unseal(chunk.removesuffix(b"\n"))
        # the last byte may be a damaged newline; but what JSON goes on behind is only part of a record
        if isinstance(found, str) and chunk[-1:] not in b"\n,]}":
            short = unseal(chunk[:-1])
            if not isinstance(short, str):
                yield start, end - start - 1, short
                yield end - 1, 1, "not a record"
                continue
        yield start, end - start, found
