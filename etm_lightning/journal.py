"""Append-only files of records: the only writer."""

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
from collections import deque
from collections.abc import Callable
from pathlib import Path

from etm_lightning.process import this_process
from etm_lightning.records import FORMAT, Header, Known, encode

_SAFE = re.compile(r"[^A-Za-z0-9.]+")


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
        keep_bytes: how many bytes of lines to keep until `sync` has them on the disk; after an error of the
            disk these are written again, under their numbers, to a new segment.
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
        keep_bytes: int = 0,
    ) -> None:
        self.folder = folder
        self._run, self._attempt, self._role, self._rank = run, attempt, role, rank
        self._clock, self._segment_bytes, self._keep_bytes = clock, segment_bytes, keep_bytes
        self._begin()
        _journals.add(self)

    def _begin(self) -> None:
        """No file yet."""
        self._process = this_process()
        self._fd = -1
        self._size = 0
        self._dirty = False
        self._unsynced: deque[bytes] = deque()
        self._unsynced_bytes = self._forgotten = 0
        self._rewrite_due = False
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

    @property
    def lock(self) -> threading.RLock:
        """What an `append` holds: who hands records from another thread takes it before he takes them up."""
        return self._lock

    def sync(self) -> None:
        """Ask the disk to keep what was written through a power cut; other threads may append meanwhile.

        Raises:
            OSError: if the disk refuses. What it may have lost is written again to a new segment first.
        """
        with self._lock:
            if self._fd < 0 or not (self._dirty or self._rewrite_due):
                return
            if self._rewrite_due:
                self._rewrite()
            fd, upto, self._dirty = os.dup(self._fd), self._forgotten + len(self._unsynced), False
        try:
            os.fsync(fd)
        except OSError:
            # a failed sync is not to be believed when it succeeds a second time on the same file
            with self._lock:
                self._rewrite_due = True
                self._rewrite()
            raise
        finally:
            os.close(fd)
        with self._lock:
            self._forget(upto)

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
        self._dirty = True
        if self._keep_bytes:
            self._unsynced.append(line)
            self._unsynced_bytes += len(line)
            while self._unsynced_bytes > self._keep_bytes:
                self._forget(self._forgotten + 1)

    def _forget(self, upto: int) -> None:
        """The first `upto` lines since the beginning need not be kept."""
        while self._forgotten < upto and self._unsynced:
            self._unsynced_bytes -= len(self._unsynced.popleft())
            self._forgotten += 1

    def _rewrite(self) -> None:
        """Write what the disk may have lost to a new segment; readers know the lines by their numbers."""
        self._new_segment()
        for line in list(self._unsynced):
            written = os.write(self._fd, line)
            if written != len(line):
                raise OSError(f"only {written} of {len(line)} bytes of a record fit into {self.folder}")
            self._size += len(line)
        self._rewrite_due, self._dirty = False, True

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
            try:  # the last chance to: `sync` only knows the new one
                os.fsync(self._fd)
            except OSError:
                self._rewrite_due = bool(self._unsynced)
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
