"""Append-only files of records: the only writer."""

from __future__ import annotations

import contextlib
import errno
import functools
import itertools
import os
import re
import secrets
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any, Self, TypeVar
from zlib import crc32

import msgspec

from etm_lightning.disk import LOCAL, Disk
from etm_lightning.native import lines as native
from etm_lightning.process import this_process
from etm_lightning.records import FORMAT, Header, Known, Nonfinite, encode, milliseconds, split

_BRACE = crc32(b"{")
_SAFE = re.compile(r"[^A-Za-z0-9.]+")


def seal(body: bytes, n: int) -> bytes:
    r"""The line for a record's JSON `body`: number `n` after the kind, checksum in front, newline behind.

    >>> seal(b'{"k":"gap","t":1.5,"lost":3,"since":1.0}', 7)
    b'{"c":"6b539f5d","k":"gap","n":7,"t":1.5,"lost":3,"since":1.0}\n'
    """
    cut = body.index(b",")
    rest = b'%b,"n":%d' % (body[1:cut], n) + body[cut:]
    return b'{"c":"%08x",' % crc32(rest, _BRACE) + rest + b"\n"


class NotWrittenError(OSError):
    """The disk did not take `line`, or not all of it: who writes it again keeps its number."""

    def __init__(self, line: bytes, cause: OSError) -> None:
        super().__init__(*cause.args)
        self.line = line


class _Row(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag_field="k", tag="scalars"):
    """A `Scalars` with its number, as a line has it behind the checksum."""

    n: int
    t: float
    s: int
    a: str = "step"
    e: int | None = None
    g: str = ""
    v: Mapping[str, float] = {}
    x: Mapping[str, Nonfinite] = {}


_encode_row = msgspec.json.Encoder().encode


def _all_floats(values: Mapping[str, float]) -> bool:
    """Whether there are values, and all are floats under texts."""
    for name, value in values.items():  # `all` takes twice as long
        if value.__class__ is not float or name.__class__ is not str:
            return False
    return bool(values)


Latest = dict[tuple[str, str], dict[str, float]]
"""Values by stage, axis and name."""


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
        keep_bytes: how many bytes of lines to keep until `sync` has them on the disk; after an error of the
            disk these are written again, under their numbers, to a new segment.
        disk: where the files lie.
        timer: seconds, for how long the disk takes.
        latest: takes the last values of the rows that `append_row` takes, when `tell_latest` is called.
    """

    def __new__(cls, *_: Any, **__: Any) -> Self:
        """A journal whose `append_row` is compiled, where that is built."""
        appender = native.Appender
        new = super().__new__(cls if appender is None else _compiled(appender, cls))  # type: ignore[arg-type]
        new._fd = -1
        return new

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
        keep_bytes: int = 0,
        disk: Disk = LOCAL,
        timer: Callable[[], float] = time.perf_counter,
        latest: Latest | None = None,
    ) -> None:
        self.folder = folder
        self._run, self._attempt, self._role, self._rank = run, attempt, role, rank
        self._clock, self._segment_bytes, self._keep_bytes = clock, segment_bytes, keep_bytes
        self._disk, self._write, self.timer = disk, disk.write, timer
        self._write_row = None if disk.write is os.write else disk.write
        self._time_row = None if timer is time.perf_counter else timer
        self.latest: Latest = {} if latest is None else latest
        self._begin()
        _journals.add(self)

    def _begin(self) -> None:
        """No file yet."""
        self._process = this_process()
        self._fd = -1
        self._total = self._synced = self._forgotten = 0  # bytes, over all segments
        self._starts_at, self._limit = 0, -1
        self._collect()
        self._syncing: dict[int, deque[bytes]] = {}  # by what is written when they are synced
        self._rewrite_due = False
        self._named = True  # the folder has been synced since the segment was made
        # a counter written in C: a signal handler that logs inside `append` never gets a number twice
        self._numbers = itertools.count()
        self._lock = threading.RLock()
        self._enter, self._leave = self._lock.acquire, self._lock.release
        self._draw_name()

    def _collect(self) -> None:
        """Lines are kept from now on, apart from those before."""
        self._unsynced: deque[bytes] = deque()
        self._keep = self._unsynced.append if self._keep_bytes else None

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
            if self._total > self._limit:
                self._make_room()
            self._write_line(seal(body, next(self._numbers)))

    def append_row(
        self, time: float, step: int, axis: str, epoch: int | None, stage: str, values: Mapping[str, float]
    ) -> float | None:
        """`append` of a `Scalars` with these fields in less time, if it is a plain one.

        `time` is cut to the millisecond.

        Returns:
            How many seconds the disk took. None, and nothing was written, unless `values` is a dict of floats
            under texts, be they finite or not: it is for `append` then.

        Raises:
            OSError: as `append` does.
        """
        whole = type(step) is int and (epoch is None or type(epoch) is int)
        if not (whole and type(values) is dict and _all_floats(values)):
            return None
        with self._lock:
            if self._total > self._limit:
                self._make_room()
            finite, nonfinite = split(values)
            try:
                time = milliseconds(time)
                if not isfinite(time):
                    return None
                row = _Row(next(self._numbers), time, step, axis, epoch, stage, finite, nonfinite)
                body = _encode_row(row)
            except (TypeError, ValueError, OverflowError):  # `append` tells what is wrong
                return None
            latest = self.latest.setdefault((stage, axis), {})
            latest.update(finite)
            if nonfinite:
                latest.update(values)  # these come last, as they do in the record
            begin = self.timer()
            self._write_line(b'{"c":"%08x",' % crc32(body) + body[1:] + b"\n")
            return self.timer() - begin

    def tell_latest(self) -> None:
        """Bring `latest` up to date, as one does before one reads or replaces it."""

    @property
    def lock(self) -> threading.RLock:
        """What an `append` holds: who must not wait for one takes it first."""
        return self._lock

    def seal(self, bodies: Iterable[bytes]) -> list[bytes]:
        """The lines for records that `encode` made, numbered in this order, for `write`."""
        return [seal(body, next(self._numbers)) for body in bodies]

    def write(self, lines: Sequence[bytes]) -> None:
        """Write sealed lines in one step; after an error they may be given again: they have their numbers.

        Raises:
            OSError: if neither the open segment nor a new one takes all of them.
        """
        data = b"".join(lines)
        with self._lock:
            if self._total > self._limit:
                self._make_room()
            if not self._takes(data):
                self._write_anew(data)
            self._total += len(data)
            if self._keep_bytes:
                self._unsynced.extend(lines)

    def sync(self) -> None:
        """Ask the disk to keep what was written through a power cut; other threads may append meanwhile.

        Raises:
            OSError: if the disk refuses. What it may have lost is written again to a new segment first.
            FileNotFoundError: if somebody deleted the segment: all that it held is in a new one.
        """
        with self._lock:
            if self._fd < 0 or (self._synced >= self._total and not self._rewrite_due):
                return
            if self._rewrite_due:
                self._rewrite()
            fd, upto = self._disk.duplicate(self._fd), self._total
            if upto not in self._syncing:  # else another sync has them, and nothing came since
                self._syncing[upto] = self._unsynced
                self._collect()
            mine = self._syncing[upto]
        try:  # nothing is held: a signal handler may sync while another thread does
            self._disk.sync(fd)
            held = self._disk.nameless(fd)
        except OSError:
            # a failed sync is not to be believed when it succeeds a second time on the same file
            with self._lock:
                self._syncing.setdefault(upto, mine)
                self._rewrite_due = True
                self._rewrite()
            raise
        finally:
            self._disk.close(fd)
        if held is not None:
            self._bring_back(held)
        if not self._named:
            self._disk.sync_folder(self.folder)
            self._named = True
        with self._lock:
            self._synced = max(self._synced, upto)
            if not self._rewrite_due:
                self._forgotten = max(self._forgotten, upto)
                for earlier in [place for place in self._syncing if place <= upto]:
                    del self._syncing[earlier]
                self._set_limit()

    def close(self) -> None:
        """Sync and close the file; the next `append` begins a new segment."""
        with self._lock:
            if self._fd >= 0:
                fd, self._fd, self._limit = self._fd, -1, -1
                try:
                    self._disk.sync(fd)
                finally:
                    self._disk.close(fd)

    def __del__(self) -> None:
        """Nobody can append any more: a process that trains a thousand times has room for a thousand more."""
        if self._fd >= 0:
            with contextlib.suppress(Exception):  # at the exit of the interpreter parts of it are gone
                self._disk.close(self._fd)

    def _make_room(self) -> None:
        """There is no segment, or it is full, or too much waits for `sync`."""
        if self._fd < 0:
            self._new_segment()
        elif self._total > self._starts_at + self._segment_bytes:
            self._starts_at = self._total  # one attempt, be it that a signal handler logs within it
            with contextlib.suppress(OSError):  # no room for a new one: the open one may still take it
                self._new_segment()
        while self._keep_bytes and self._total - self._forgotten > self._keep_bytes * 7 // 8:
            oldest = next((lines for lines in self._kept() if lines), None)
            if oldest is None:
                self._forgotten = self._total
                break
            self._forgotten += len(oldest.popleft())
        self._set_limit()

    def _kept(self) -> list[deque[bytes]]:
        """The lines that no sync has brought to the disk yet, as far as they are kept."""
        return [*(self._syncing[place] for place in sorted(self._syncing)), self._unsynced]

    def _set_limit(self) -> None:
        self._limit = self._starts_at + self._segment_bytes
        if self._keep_bytes:
            self._limit = min(self._limit, self._forgotten + self._keep_bytes)

    def _write_anew(self, data: bytes) -> None:
        """What the open segment did not take goes to a new one."""
        self._synced = -1  # whole lines of it may lie in the open one
        self._new_segment()
        written = self._write(self._fd, data)
        if written != len(data):
            raise OSError(f"only {written} of {len(data)} bytes of a record fit into {self.folder}")

    def _takes(self, data: bytes) -> bool:
        """Write to the open segment; whether it took all."""
        try:
            return self._write(self._fd, data) == len(data)
        except OSError:
            return False

    def _write_line(self, line: bytes) -> None:
        if not self._takes(line):
            self._write_line_anew(line)
        self._total += len(line)
        if self._keep is not None:
            self._keep(line)

    def _write_line_anew(self, line: bytes) -> None:
        try:
            self._write_anew(line)
        except OSError as error:
            raise NotWrittenError(line, error) from error

    def _rewrite(self) -> None:
        """Write what the disk may have lost to a new segment; readers know the lines by their numbers."""
        self._new_segment()
        for line in itertools.chain.from_iterable(self._kept()):
            written = self._write(self._fd, line)
            if written != len(line):
                raise OSError(f"only {written} of {len(line)} bytes of a record fit into {self.folder}")
            self._total += len(line)
            self._forgotten += len(line)  # they count once
        self._rewrite_due = False

    def _bring_back(self, held: bytes) -> None:
        """Write what a deleted segment held, but its header, to a new one.

        Raises:
            FileNotFoundError: always: somebody should know.
        """
        with self._lock:
            self._write_anew(held.partition(b"\n")[2])
            self._total += len(held)
            self._forgotten += len(held)
        reason = "deleted while it was written; a new segment has what it held"
        raise FileNotFoundError(errno.ENOENT, reason, f"{self.folder / self.writer}…")

    def _new_segment(self) -> None:
        """Open the next file exclusively, give it its header and put it under the descriptor in use."""
        self._disk.make_folder(self.folder)
        number = next(self._segments)
        path = self.folder / f"{self.writer}.{number}.jsonl"
        try:
            fd = self._disk.create(path)
        except FileExistsError:
            if number:
                raise
            self._draw_name()
            self._new_segment()
            return
        line = seal(encode(self._header(number)), next(self._numbers))
        try:
            if self._write(fd, line) != len(line):
                raise OSError(f"no room for the header of {path}")
            if self._fd < 0:
                self._fd = fd
            else:
                self._go_over(fd)
        except OSError:  # readers would take its name for the end of the segment before
            self._disk.close(fd)
            self._disk.remove(path)
            raise
        self._starts_at = self._total
        self._total += len(line)
        self._forgotten += len(line)  # a header is not kept
        self._set_limit()
        self._named = False
        with contextlib.suppress(OSError):  # out of descriptors: the segment is good all the same
            self._disk.sync_folder(self.folder)
            self._named = True

    def _go_over(self, fd: int) -> None:
        """Let the descriptor in use mean the file of `fd`."""
        try:  # the last chance to: `sync` only knows the new one
            self._disk.sync(self._fd)
        except OSError:
            self._rewrite_due = any(self._kept())
        self._disk.put_under(fd, self._fd)

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
                self._disk.close(self._fd)
        if self._role == "train":
            self._role = "child"
        self._begin()


_J = TypeVar("_J", bound=Journal)


@functools.cache
def _compiled(appender: type[Any], kind: type[_J]) -> type[_J]:
    """The class whose `append_row` is that of `appender`, and all else that of `kind`."""
    return type(kind.__name__, (appender, kind), {"__module__": kind.__module__, "__doc__": kind.__doc__})


_journals: weakref.WeakSet[Journal] = weakref.WeakSet()


def _after_fork() -> None:
    for journal in list(_journals):
        journal._forked()


os.register_at_fork(after_in_child=_after_fork)
