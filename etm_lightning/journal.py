"""Append-only files of records: the only writer, and the reader that survives damage."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import secrets
import threading
import time
import weakref
import zlib
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from etm_lightning.process import this_process
from etm_lightning.records import FORMAT, Header, Known, Record, decode, encode

_LINE = re.compile(rb'\{"c":"([0-9a-f]{8})","k":"([^"\\]*)","n":(0|[1-9][0-9]*)[,}]')
_BRACE = zlib.crc32(b"{")
_SAFE = re.compile(r"[^A-Za-z0-9.]+")


class Cursor(msgspec.Struct, frozen=True, eq=False):
    """A place in a writer's records: after record number `n`, which lies in file `segment`.

    `offset` is the byte after that record's line, a hint that spares a scan; comparisons leave it out.
    """

    segment: str = ""
    n: int = -1
    offset: int = 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Cursor) and (self.segment, self.n) == (other.segment, other.n)

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


def seal(body: bytes, n: int) -> bytes:
    r"""The line for a record's JSON `body`: number `n` after the kind, checksum in front, newline behind.

    >>> seal(b'{"k":"gap","t":1.5,"lost":3,"since":1.0}', 7)
    b'{"c":"6b539f5d","k":"gap","n":7,"t":1.5,"lost":3,"since":1.0}\n'
    """
    kind, _, fields = body.partition(b",")
    body = b'%b,"n":%d,%b' % (kind, n, fields)
    return b'{"c":"%08x",%b\n' % (zlib.crc32(body), body[1:])


class Journal:
    """Appends records to the files of one writer in a run's ``journal/`` folder.

    `append` makes one ``write`` on an ``O_APPEND`` descriptor and returns: what it accepted survives SIGKILL.
    After a short write or an error the record goes to a new segment, put under the same descriptor. Safe for
    threads, for a signal handler that interrupts an `append`, and over ``fork``, where the child gets a file
    of its own.

    Args:
        folder: the run's ``journal/`` folder; made if missing.
        run: id of the run.
        attempt: number of the attempt, from 1; 0 for edits, which belong to none.
        role: what the process does for the run: ``train``, ``child``, ``shipper`` or ``edits``.
        rank: global rank of the process.
        clock: Unix seconds.
        segment_bytes: size after which a new segment begins.
    """

    def __init__(
        self,
        folder: Path,
        *,
        run: str,
        attempt: int,
        role: str = "train",
        rank: int = 0,
        clock: Callable[[], float] = time.time,
        segment_bytes: int = 64 << 20,
    ) -> None:
        self.folder = folder
        self._run, self._attempt, self._role, self._rank = run, attempt, role, rank
        self._clock, self._segment_bytes = clock, segment_bytes
        self._begin()
        _journals.add(self)

    def _begin(self) -> None:
        """No file yet."""
        self._process = this_process()
        self._fd = -1
        self._size = 0
        # a counter written in C: a signal handler that logs inside `append` never gets a number twice
        self._numbers = itertools.count()
        self._lock = threading.RLock()
        self._draw_name()

    def _draw_name(self) -> None:
        """A name that no other writer has; creating the first file exclusively makes sure of it."""
        role = self._role + (str(self._rank) if self._rank else "")
        name = f"{role}-{_SAFE.sub('_', self._process.host)}-{self._process.pid}-{secrets.token_hex(2)}"
        self.writer = f"{self._attempt}-{name}" if self._attempt else name
        self._segments = itertools.count()

    def append(self, record: Known) -> None:
        """Write `record`; it is safe against the death of this process when this returns.

        Raises:
            TypeError: if the record holds something JSON has no form for; nothing is written.
            ValueError: if it holds NaN, an infinity or half of a surrogate pair; nothing is written.
            OSError: if neither the open segment nor a new one takes the record.
        """
        body = encode(record)
        with self._lock:
            if self._fd < 0:
                self._new_segment()
            elif self._size > self._segment_bytes:
                self._size = 0  # one attempt, be it that a signal handler logs within it
                with contextlib.suppress(OSError):  # no room for a new one: the open one may still take it
                    self._new_segment()
            self._write(seal(body, next(self._numbers)))

    def sync(self) -> None:
        """Ask the disk to keep what was written through a power cut; other threads may append meanwhile."""
        with self._lock:
            if self._fd < 0:
                return
            fd = os.dup(self._fd)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def close(self) -> None:
        """Sync and close the file; the next `append` begins a new segment."""
        with self._lock:
            if self._fd >= 0:
                fd, self._fd = self._fd, -1
                try:
                    os.fsync(fd)
                finally:
                    os.close(fd)

    def _write(self, line: bytes) -> None:
        try:
            written = os.write(self._fd, line)
        except OSError:
            written = -1
        if written != len(line):
            self._new_segment()
            written = os.write(self._fd, line)
            if written != len(line):
                raise OSError(f"only {written} of {len(line)} bytes of a record fit into {self.folder}")
        self._size += len(line)

    def _new_segment(self) -> None:
        """Open the next file exclusively, give it its header and put it under the descriptor in use."""
        self.folder.mkdir(parents=True, exist_ok=True)
        number = next(self._segments)
        path = self.folder / f"{self.writer}.{number}.jsonl"
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o644)
        except FileExistsError:
            if number:
                raise
            self._draw_name()
            self._new_segment()
            return
        line = seal(encode(self._header(number)), next(self._numbers))
        try:
            if os.write(fd, line) != len(line):
                raise OSError(f"no room for the header of {path}")
        except OSError:
            os.close(fd)
            path.unlink()
            raise
        self._size = len(line)
        if self._fd < 0:
            self._fd = fd
        else:
            with contextlib.suppress(OSError):  # the last chance to: `sync` only knows the new one
                os.fsync(self._fd)
            os.dup2(fd, self._fd, inheritable=False)
            os.close(fd)
        with contextlib.suppress(OSError):  # out of descriptors: the segment is good all the same
            sync_folder(self.folder)

    def _header(self, segment: int) -> Header:
        who = self._process
        return Header(
            time=self._clock(),
            format=FORMAT,
            run=self._run,
            attempt=self._attempt,
            role=self._role,
            rank=self._rank,
            host=who.host,
            boot=who.boot,
            pid=who.pid,
            born=who.born,
            segment=segment,
        )

    def _forked(self) -> None:
        """In the child of a fork: leave the parent's file to the parent."""
        if self._fd >= 0:
            with contextlib.suppress(OSError):
                os.close(self._fd)
        if self._role == "train":
            self._role = "child"
        self._begin()


_journals: weakref.WeakSet[Journal] = weakref.WeakSet()


def _after_fork() -> None:
    for journal in list(_journals):
        journal._forked()


os.register_at_fork(after_in_child=_after_fork)


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` survive a power cut, where the file system can."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    except OSError:  # some network file systems refuse to sync a folder: nothing more can be done there
        return
    finally:
        os.close(fd)


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
