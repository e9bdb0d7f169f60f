"""Reading the files of a journal: every whole record, whatever happened to the bytes around it."""

from __future__ import annotations

import itertools
import re
import zlib
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from etm_lightning.records import Record, decode

_LINE = re.compile(rb'\{"c":"([0-9a-f]{8})","k":"([^"\\]*)","n":(0|[1-9][0-9]*)[,}]')
_BRACE = zlib.crc32(b"{")


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
    """The segments in a ``journal/`` folder by writer, each list in the order of writing."""
    found: dict[str, list[tuple[int, Path]]] = {}
    for path in folder.glob("*.jsonl"):
        writer, _, number = path.stem.rpartition(".")
        if writer and number.isdecimal():
            found.setdefault(writer, []).append((int(number), path))
    return {writer: [path for _, path in sorted(found[writer])] for writer in sorted(found)}


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
    names = [path.name for path in paths]
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
            end = _place(path, self._after) if path.name == self._after.segment else None
            for cursor, item in read(path, final=True):
                if end is not None and cursor.offset > end:
                    break
                if not isinstance(item, Damage):
                    self._put(cursor.n)


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
    name = path.name
    cursor, offset = (after, _place(path, after)) if after.segment == name else (START, 0)
    damage: Damage | None = None
    parts: Iterable[_Part]
    with path.open("rb") as file:
        file.seek(offset)
        for line in file:
            if not line.endswith(b"\n") and not final:
                break
            whole = _unseal(line.removesuffix(b"\n"))
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
    """The byte to go on at: behind record `after.n`, or where that was damaged, behind the one before it."""
    if after.offset:
        with path.open("rb") as file:
            file.seek(after.offset - 1)
            if file.read(1) == b"\n":
                return after.offset
    place, past = 0, False
    for cursor, item in read(path, final=True):
        if isinstance(item, Damage):
            continue
        if cursor.n == after.n:
            return cursor.offset
        past = past or cursor.n > after.n
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
    starts = [match.start() for match in _LINE.finditer(line)]
    if not starts or starts[0] > 0:
        yield 0, starts[0] if starts else len(line), reason
    for start, end in itertools.pairwise([*starts, len(line)]):
        chunk = line[start:end]
        found = _unseal(chunk.removesuffix(b"\n"))
        # the last byte may be a damaged newline; but what JSON goes on behind is only part of a record
        if isinstance(found, str) and chunk[-1:] not in b"\n,]}":
            short = _unseal(chunk[:-1])
            if not isinstance(short, str):
                yield start, end - start - 1, short
                yield end - 1, 1, "not a record"
                continue
        yield start, end - start, found


def _unseal(text: bytes) -> tuple[int, Record] | str:
    """Number and record of an intact line without its newline, or what is wrong with it."""
    match = _LINE.match(text)
    if match is None:
        return "not a record"
    if b"%08x" % zlib.crc32(text[16:], _BRACE) != match[1]:
        return "checksum does not match"
    try:
        return int(match[3]), decode(match[2].decode(), text)
    except (ValueError, RecursionError) as error:  # a writer's mistake: the bytes are as they were written
        return f"not a record: {error}"
