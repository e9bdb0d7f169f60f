"""From a run to its journal at once, and where the disk is slow or fails, by a thread while records wait."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping

from etm_lightning.journal import Journal, NotWrittenError
from etm_lightning.records import Alert, Gap, Known, Scalars, encode

log = logging.getLogger(__name__)

SLOW = 0.02
"""Seconds that a write may take."""
IN_A_ROW = 3
"""How many writes may take longer before records wait."""
CAPACITY = 64 << 20
PATIENCE = 5.0
_PROBE, _QUIET = 0.25, 1.0
_BATCH = 1 << 20
_SCALARS, _ENDED = b'{"k":"scalars"', b'{"k":"ended"'


class Spool:
    """Writes records to a journal, in their order, without a disk holding the caller more than a few times.

    While the disk is well a record is written when `write` returns. After an error, or `IN_A_ROW` slow
    writes, the spool is degraded: records wait in memory, a thread writes them many at a time and tries again
    until the disk is well. When the memory is full, the oldest scalars go, and a `gap` says how many. An
    alert tells of both changes. A signal handler may use it.

    Args:
        journal: where to.
        clock: Unix seconds.
        capacity: bytes of records that may wait.
        threaded: start a thread when degraded; else `write` itself tries again every now and then.

    Attributes:
        well: whether it is neither degraded, nor has a loss to tell.
        degraded: whether records wait in memory.
        lost: how many records there was no room for.
    """

    def __init__(
        self,
        journal: Journal,
        clock: Callable[[], float] = time.time,
        *,
        capacity: int = CAPACITY,
        threaded: bool = True,
    ) -> None:
        self._journal, self._clock, self._timer = journal, clock, journal.timer
        self._capacity, self._threaded = capacity, threaded
        self._append_row = journal.append_row
        self._begin()

    def _begin(self) -> None:
        """The disk is well and nothing waits."""
        self._gate = threading.RLock()
        self.degraded = False
        self.lost = 0
        self._news = threading.Condition(self._gate)
        self._thread: threading.Thread | None = None
        self.well = True
        self._queue: deque[bytes] = deque()
        self._kept: deque[bytes] = deque()  # what is no scalars and older than the queue
        self._bytes = 0
        self._taken: list[bytes] = []  # out of the queues, not sealed yet
        self._lines: list[bytes] = []  # sealed, on their way
        self._untold, self._since, self._reason = 0, 0.0, ""
        self._slow = self._waited = 0
        self._ended = False
        self._fast, self._bad_at, self._try_at = False, 0.0, 0.0

    def write(self, item: Known) -> None:
        """Write a record, or let it wait for the disk.

        Raises:
            TypeError: if the record holds something JSON has no form for.
            ValueError: if it holds what JSON cannot, such as NaN or half of a surrogate pair.
        """
        if not self.well:
            self._write_unwell(item)
            return
        begin = self._timer()
        try:
            self._journal.append(item)
        except OSError as error:
            self._refused(error, item)
            return
        if self._timer() - begin > SLOW:
            self._met_slow()
        elif self._slow:
            self._slow = 0

    def write_row(
        self, time: float, step: int, axis: str, epoch: int | None, stage: str, values: Mapping[str, float]
    ) -> bool:
        """`write` of a `Scalars` with these fields in less time, if it is a plain one and the disk is well.

        Returns:
            Whether it was. If not, nothing was done: it is for `write`.
        """
        if not self.well:
            return False
        try:
            took = self._append_row(time, step, axis, epoch, stage, values)
        except NotWrittenError as error:
            item = Scalars.of(time, step, axis, epoch, stage, dict(values))
            self._refused(error, item)
            return True
        except OSError as error:  # it has not come so far
            self._refused(error)
            return False
        if took is None:
            return False
        if took > SLOW:
            self._met_slow()
        elif self._slow:
            self._slow = 0
        return True

    def acquire(self, patience: float) -> bool:
        """Wait for so many seconds (-1: for ever) until no other thread can keep this one from writing."""
        if not self._gate.acquire(timeout=patience):
            return False
        if self._journal.lock.acquire(timeout=patience):
            return True
        self._gate.release()
        return False

    def release(self) -> None:
        """Undo `acquire`."""
        self._journal.lock.release()
        self._gate.release()

    def miss(self, reason: str, lost: int = 1, since: float | None = None) -> None:
        """Records cannot be written; a gap before the next one tells how many, since when and why."""
        with self._gate:
            if not self._untold:
                self._since, self._reason = self._clock() if since is None else since, reason
                log.warning("records are being lost: %s", reason)
            self._untold += lost
            self.lost += lost
            self.well = False

    @property
    def waiting(self) -> int:
        """How many records wait for the disk; while they move on some count twice, but none is missed."""
        return len(self._queue) + len(self._kept) + len(self._taken) + len(self._lines)  # as they move

    def flush(self, patience: float = PATIENCE) -> bool:
        """Wait until nothing waits for the disk, for so many seconds; whether that is so."""
        stop = self._timer() + patience
        while self.waiting and self._timer() < stop:
            if self._thread is not None and self._thread.is_alive():
                time.sleep(0.002)
            elif not self._write_some():
                break
        return not self.waiting

    def sync(self) -> None:
        """Ask the disk to keep through a power cut what was written.

        Raises:
            OSError: if it refuses.
        """
        self._journal.sync()

    def forked(self) -> None:
        """In the child of a fork: what waits is the parent's to write."""
        self._begin()

    # -- degraded -------------------------------------------------------------------------------------------

    def _write_unwell(self, item: Known) -> None:
        """`write` while the disk is not well, or while there is a loss to tell."""
        with self._gate:
            if self.degraded:
                self._enqueue(encode(item))
                return
            lines = self._journal.seal(self._loss()) if self._untold else []
            self._untold = 0
            try:
                if lines:
                    self._journal.write(lines)
            except OSError as error:
                self._lines = lines
                self._refused(error, item)
                return
            self.well = True
        self.write(item)

    def _refused(self, error: OSError, item: Known | None = None) -> None:
        with self._gate:
            # maybe all of the line lies there but its newline, and is read: it keeps its number
            line = error.line if isinstance(error, NotWrittenError) and not self.degraded else b""
            if line:
                self._lines = [line]
            if not self.degraded:
                self._degrade("the disk refuses to write", str(error))
            if item is not None and not line:
                self._enqueue(encode(item))

    def _met_slow(self) -> None:
        self._slow += 1
        if self._slow >= IN_A_ROW:
            with self._gate:
                if not self.degraded:
                    text = f"{IN_A_ROW} writes took over {SLOW * 1e3:.0f} ms each"
                    self._degrade("the disk is slow", text)

    def _degrade(self, title: str, reason: str) -> None:
        self.degraded, self.well = True, False
        self._slow = self._waited = 0
        self._bad_at, self._fast = self._timer(), False
        self._try_at = self._bad_at + _PROBE
        log.warning("%s, records wait in memory: %s", title, reason)
        self._enqueue(encode(Alert(time=self._clock(), title=title, text=reason)))
        if self._threaded:
            thread = threading.Thread(target=self._work, name="etm-spool", daemon=True)
            try:
                thread.start()
                self._thread = thread
            except RuntimeError:  # the system has no more threads, or the interpreter is going down
                self._thread = None

    def _enqueue(self, body: bytes) -> None:
        self._queue.append(body)
        self._bytes += len(body)
        self._waited += 1
        while self._bytes > self._capacity:
            self._drop()
        self._news.notify()
        if self._thread is None and self._timer() >= self._try_at:
            self._try_at = self._timer() + _PROBE
            while self._write_some() and self._queue:
                pass
            self._recover()

    def _drop(self) -> None:
        """The oldest scalars go; what is no scalars is kept as long as there are any."""
        if not self._queue:
            self._queue, self._kept = self._kept, deque()
        body = self._queue.popleft()
        if body.startswith(_SCALARS) or not self._queue:
            self._bytes -= len(body)
            self.miss("the disk does not take them, and the memory is full")
        else:
            self._kept.append(body)

    def _loss(self) -> list[bytes]:
        """What tells of the records that could not be written."""
        now, lost = self._clock(), self._untold
        gap = Gap(time=now, lost=lost, since=self._since, reason=self._reason)
        return [encode(gap), encode(Alert(time=now, title=f"{lost} records were lost", text=self._reason))]

    def _work(self) -> None:
        """The thread: until the disk is well and nothing waits."""
        while self.degraded:
            if not self._write_some():
                time.sleep(_PROBE)
                continue
            with self._gate:
                if not self._queue and not self._recover():
                    self._news.wait(_PROBE)

    def _write_some(self) -> bool:
        """Write some of what waits; False if the disk did not take it, which may be tried again."""
        if not self._lines:
            with self._gate:
                self._take()
                self._lines, self._taken = self._journal.seal(self._taken), []
        if not self._lines:
            return True
        begin = self._timer()
        try:
            self._journal.write(self._lines)
        except OSError:
            self._bad_at, self._fast = self._timer(), False
            return False
        now = self._timer()
        self._lines, self._fast = [], now - begin <= SLOW
        if not self._fast:
            self._bad_at = now
        return True

    def _take(self) -> None:
        """Take the oldest of what waits, after what tells of a gap before it."""
        if self._taken:  # they could not be sealed
            return
        if self._untold:
            self._taken = self._loss()
            self._untold = 0
        size = 0
        for waiting in (self._kept, self._queue):
            while waiting and size < _BATCH:
                self._taken.append(waiting[0])  # who asks without the gate always finds it somewhere
                size += len(waiting[0])
                self._bytes -= len(waiting.popleft())
        if self._taken:
            self._ended = self._taken[-1].startswith(_ENDED)

    def _recover(self) -> bool:
        """Write at once again, if the disk has been well for a while, or the run is over."""
        proven = self._fast and self._timer() - self._bad_at >= _QUIET
        if self.waiting or not (proven or self._ended):  # after the end nothing comes that could prove it
            return False
        self.degraded, self.well, self._thread = False, not self._untold, None
        text = f"{self._waited} records waited, {self.lost} were lost so far"
        if proven:
            log.warning("the disk is well again: %s", text)
        if not self._ended:  # what comes after the end would reopen the run
            self.write(Alert(time=self._clock(), title="the disk is well again", text=text, level="info"))
        return True
