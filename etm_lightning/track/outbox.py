"""Records on their way to the journal."""

from __future__ import annotations

import logging
import os
import weakref
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from etm_lightning.journal import Journal
from etm_lightning.layout import RunFolder
from etm_lightning.records import Gap, Known, Started
from etm_lightning.track.media import Exhibit, Parcel
from etm_lightning.track.worker import WORKER

log = logging.getLogger(__name__)

Item = Known | Exhibit | Parcel

_MOST_WAITING = 100_000
_MOST_BYTES = 256 << 20


class Outbox:
    """Lets records wait until there is a journal, and then writes them.

    A disk that fails costs the records it refused: they are counted, and the first record it takes again
    comes after a `gap`. A signal handler and a forked child may use it.

    Exhibits and parcels are made to records by a thread, so these come later than what was put meanwhile. The
    thread says nothing and waits for nobody: what fails there is kept for `failures`.

    Args:
        clock: Unix seconds.

    Attributes:
        waiting: what waits for the journal.
        lost: how many records the disk refused.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.waiting: deque[Item] = deque()
        self.lost = 0
        self._clock = clock
        self._journal: Journal | None = None
        self._folder = RunFolder(Path())
        self._untold, self._since = 0, 0.0
        self._carried = 0
        self._bytes = 0
        self._forget()
        _outboxes.add(self)

    def _forget(self) -> None:
        """Nothing has come from the thread."""
        self._made: deque[Known] = deque()
        self._failed: deque[Exception] = deque()

    @property
    def opened(self) -> bool:
        return self._journal is not None

    @property
    def writer(self) -> str:
        """Name of the journal's writer; "" before there is a journal."""
        return self._journal.writer if self._journal else ""

    def open(self, journal: Journal, folder: RunFolder, first: Started | None) -> None:
        """Write to `journal` from now on, `first` before all; without it the attempt has begun elsewhere.

        What waits is for the caller to `put` again.

        Raises:
            OSError: if the disk does not take `first`; all goes on waiting then.
        """
        if first is not None:
            journal.append(first)
        else:  # the process that began took with it what waited when the run was pickled
            for _ in range(min(self._carried, len(self.waiting))):
                self.waiting.popleft()
        self._folder, self._journal = folder, journal

    def put(self, item: Item) -> None:
        """Write a record, or let it wait; what has to be made into a record first is left to the thread.

        Raises:
            TypeError: if the record holds something JSON has no form for.
            ValueError: if it holds what JSON cannot, such as half of a surrogate pair.
            OverflowError: if it holds a number that is too large.
        """
        if self._journal is None:
            self._wait(item)
        elif not isinstance(item, Exhibit | Parcel):
            self._write(self._journal, item)
        elif not WORKER.take(partial(self._make, item), self._deliver, item.size):
            self._make(item)
            self._deliver_all()

    def flush(self) -> None:
        """Return when what the thread got so far is in the journal."""
        WORKER.flush()
        self._deliver_all()

    @property
    def troubled(self) -> bool:
        """Whether `failures` has something to tell."""
        return bool(self._failed)

    def failures(self) -> list[str]:
        """What went wrong in the thread since the last call; what the disk refused is counted as lost."""
        texts = []
        while self._failed:
            error = self._failed.popleft()
            if isinstance(error, OSError):
                self._miss(str(error))
            else:
                texts.append(f"{type(error).__name__}: {error}")
        return texts

    def sync(self) -> None:
        """Ask the disk to keep through a power cut what was written.

        Raises:
            OSError: if it refuses.
        """
        if self._journal is not None:
            self._journal.sync()

    def _wait(self, item: Item) -> None:
        size = item.size if isinstance(item, Exhibit) else 0
        if size and self._bytes + size > _MOST_BYTES:
            self._miss("the run could not be started, and the memory for media that wait is full")
            return
        self._bytes += size
        if len(self.waiting) == _MOST_WAITING:
            self.waiting.popleft()
            self._miss("the run could not be started")
        self.waiting.append(item)

    def _make(self, item: Exhibit | Parcel) -> None:
        """Make a record; waits for nothing but the disk."""
        try:
            self._made.append(item.store(self._folder))
        except Exception as error:  # a stranger's picture may be anything
            self._failed.append(error)

    def _deliver(self, patience: float = 0.005) -> bool:
        """Write what was made; False if somebody has held the journal for `patience` seconds.

        A signal handler that waits for the thread may have interrupted an `append`, which holds the journal.
        So the thread takes nothing up before it has the journal, and gives up rather than wait for it.
        """
        journal = self._journal
        if journal is None or not self._made:
            return True
        if not journal.lock.acquire(timeout=patience):
            return False
        try:
            while self._made:
                self._append(journal, self._made.popleft())
        except IndexError:  # a signal handler was quicker
            return True
        except Exception as error:
            self._failed.append(error)
            return not self._made
        finally:
            journal.lock.release()
        return True

    def _deliver_all(self) -> None:
        while not self._deliver(patience=-1):  # each time with one record less
            pass

    def _write(self, journal: Journal, item: Known) -> None:
        try:
            self._append(journal, item)
        except OSError as error:
            self._miss(str(error))

    def _append(self, journal: Journal, item: Known) -> None:
        if self._untold:
            with journal.lock:
                gap = Gap(time=self._clock(), lost=self._untold, since=self._since, reason="the disk failed")
                journal.append(gap)
                self._untold = 0
        journal.append(item)

    def _miss(self, reason: str) -> None:
        if not self._untold:
            self._since = self._clock()
            log.warning("records are being lost: %s", reason)
        self._untold += 1
        self.lost += 1

    def __getstate__(self) -> dict[str, Any]:
        """What waits goes with the copy: whichever process starts the run writes it down."""
        state = self.__dict__ | {"_journal": None, "waiting": self.waiting.copy(), "lost": 0, "_untold": 0}
        self._carried = len(self.waiting)
        return state | {"_made": deque(), "_failed": deque()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        _outboxes.add(self)


_outboxes: weakref.WeakSet[Outbox] = weakref.WeakSet()


def _after_fork() -> None:
    """In the child of a fork: what the thread made is the parent's to write."""
    for outbox in list(_outboxes):
        outbox._forget()


os.register_at_fork(after_in_child=_after_fork)
