"""The thread that encodes, hashes and writes what the training has copied for it."""

from __future__ import annotations

import atexit
import itertools
import os
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue

Job = tuple[int, Callable[[], None], Callable[[], bool]]


class Worker:
    """A thread that does one job after the other; it is started by the first.

    Who gives it a job takes no lock that is not reentrant, and nothing is done under a lock that a training
    holds: a signal handler may give jobs and wait for them. A forked child has no thread and does its own
    work, since it may end without a word, unless it says that it does not; so does everybody while the
    interpreter exits.

    Args:
        most_bytes: how much the jobs that wait may hold in memory.
        most_jobs: how many may wait.
    """

    def __init__(self, most_bytes: int = 256 << 20, most_jobs: int = 1024) -> None:
        self._most_bytes, self._most_jobs = most_bytes, most_jobs
        self._alone = False
        self._begin()

    def _begin(self) -> None:
        """No jobs and no thread yet."""
        self._queue: SimpleQueue[Job | None] = SimpleQueue()
        self._numbers = itertools.count(1)
        self._sizes: dict[int, int] = {}
        self._thread: threading.Thread | None = None
        self._starting = False

    def take(self, make: Callable[[], None], deliver: Callable[[], bool], size: int) -> bool:
        """Leave a job to the thread.

        Args:
            make: what takes long; waits for nothing that a training may hold, and does not raise.
            deliver: hands on what was made; returns False if that has to be tried again, and does not raise.
            size: bytes that the job keeps in memory; jobs of 0 bytes are always taken, in their order.

        Returns:
            Whether the thread will do it; if not, the caller has to.
        """
        if self._alone:
            return False
        if size:
            waiting = list(self._sizes.values())
            if len(waiting) >= self._most_jobs or sum(waiting) + size > self._most_bytes:
                return False
        if not self._wake():
            return False
        number = next(self._numbers)
        self._sizes[number] = size
        self._queue.put((number, make, deliver))
        return True

    def flush(self) -> None:
        """Return when everything taken so far is made; it may still have to be delivered."""
        if threading.current_thread() is self._thread:
            return
        last = next(self._numbers)
        while any(number < last for number in list(self._sizes)):
            if self._thread is not None and self._thread.is_alive():
                time.sleep(0.0005)
                continue
            try:
                job = self._queue.get_nowait()
            except Empty:
                return
            if job is not None:
                self._do(job)

    def exits(self) -> None:
        """In a forked child that will run its exit functions: it may have a thread."""
        self._alone = False

    def stop(self) -> None:
        """Let the thread finish what it has and end; the next job starts another."""
        thread, self._thread = self._thread, None
        if thread is not None and thread.is_alive():
            self._queue.put(None)
            thread.join()

    def close(self) -> None:
        """Finish, and from now on let the callers work."""
        self.flush()
        self._alone = True
        self.stop()

    def _wake(self) -> bool:
        if self._starting or (self._thread is not None and self._thread.is_alive()):
            return True
        self._starting = True
        try:
            thread = threading.Thread(target=self._work, args=(self._queue,), name="etm-media", daemon=True)
            thread.start()
        except RuntimeError:  # the system has no more threads, or the interpreter is going down
            return False
        else:
            self._thread = thread
        finally:
            self._starting = False
        return True

    def _work(self, queue: SimpleQueue[Job | None]) -> None:
        while (job := queue.get()) is not None:
            self._do(job)

    def _do(self, job: Job) -> None:
        number, make, deliver = job
        try:
            make()
        finally:
            self._sizes.pop(number, None)
        if not deliver():
            self._queue.put((0, _nothing, deliver))

    def _forked(self) -> None:
        """In the child of a fork: what waits is the parent's."""
        self._begin()
        self._alone = True


def _nothing() -> None:
    """It is made already."""


WORKER = Worker()
"""The one of this process."""

os.register_at_fork(after_in_child=WORKER._forked)
atexit.register(WORKER.close)
