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
from etm_lightning.records import Known, Started
from etm_lightning.track.media.exhibit import Exhibit, Parcel
from etm_lightning.track.media.worker import WORKER
from etm_lightning.track.spool import PATIENCE, Spool

Item = Known | Exhibit | Parcel
log = logging.getLogger(__name__)

_MADE_BY_THREAD = (Exhibit, Parcel)

_MOST_WAITING = 100_000
_MOST_BYTES = 256 << 20


class Outbox:
    """Lets records wait until there is a journal, and then writes them.

    A signal handler and a forked child may use it. What a slow or failing disk means is `Spool`'s to know.

    Exhibits and parcels are made to records by a thread, so these come later than what was put meanwhile. The
    thread says nothing and waits for nobody: what fails there is kept for `failures`.

    Args:
        clock: Unix seconds.

    Attributes:
        waiting: what waits for the journal.
        spool: what writes to the journal; None before there is one.
        failed: what `failures` has to tell.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.waiting: deque[Item] = deque()
        self._clock = clock
        self._journal: Journal | None = None
        self.spool: Spool | None = None
        self._folder = RunFolder(Path())
        self._overflow, self._since = 0, 0.0
        self._carried = 0
        self._bytes = 0
        self._forget()
        _outboxes.add(self)

    def _forget(self) -> None:
        """Nothing has come from the thread."""
        self._made: deque[Known] = deque()
        self.failed: deque[Exception] = deque()

    @property
    def opened(self) -> bool:
        return self.spool is not None

    @property
    def degraded(self) -> bool:
        """Whether records wait in memory because the disk is slow or fails."""
        return self.spool is not None and self.spool.degraded

    @property
    def lost(self) -> int:
        """How many records there was no room for."""
        return self._overflow if self.spool is None else self.spool.lost

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
        self._folder, self._journal, self.spool = folder, journal, Spool(journal, self._clock)
        if self._overflow:
            self.spool.miss("the run could not be started", self._overflow, self._since)
            self._overflow = 0

    def put(self, item: Item) -> None:
        """Write a record, or let it wait; what has to be made into a record first is left to the thread.

        Raises:
            TypeError: if the record holds something JSON has no form for.
            ValueError: if it holds what JSON cannot, such as half of a surrogate pair.
            OverflowError: if it holds a number that is too large.
        """
        if self.spool is None:
            self._wait(item)
        elif not isinstance(item, _MADE_BY_THREAD):
            self.spool.write(item)
        elif not WORKER.take(partial(self._make, item), self._deliver, item.size):
            self._make(item)
            self._deliver_all()

    def tell_latest(self) -> None:
        """Bring the journal's `latest` up to date."""
        if self._journal is not None:
            self._journal.tell_latest()

    def flush(self) -> None:
        """Return when what the thread got so far is made and handed on."""
        WORKER.flush()
        self._deliver_all()

    def failures(self) -> list[str]:
        """What went wrong in the thread since the last call; what the disk refused is counted as lost."""
        texts = []
        while self.failed:
            error = self.failed.popleft()
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
        if self.spool is not None:
            self.spool.sync()

    def settle(self, patience: float = PATIENCE) -> int:
        """Wait for the disk, for so many seconds; how many records still wait then."""
        if self.spool is None or self.spool.flush(patience):
            return 0
        return self.spool.waiting

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
            self.failed.append(error)

    def _deliver(self, patience: float = 0.005) -> bool:
        """Write what was made; False if somebody has been writing for `patience` seconds.

        A signal handler that waits for the thread may have interrupted a `write`. So the thread takes
        nothing up before it can write, and gives up rather than wait for that.
        """
        spool = self.spool
        if spool is None or not self._made:
            return True
        if not spool.acquire(patience):
            return False
        try:
            while self._made:
                spool.write(self._made.popleft())
        except IndexError:  # a signal handler was quicker
            return True
        except Exception as error:
            self.failed.append(error)
            return not self._made
        finally:
            spool.release()
        return True

    def _deliver_all(self) -> None:
        while not self._deliver(patience=-1):  # each time with one record less
            pass

    def _miss(self, reason: str) -> None:
        if self.spool is not None:
            self.spool.miss(reason)
            return
        if not self._overflow:
            self._since = self._clock()
            log.warning("records are being lost: %s", reason)
        self._overflow += 1

    def __getstate__(self) -> dict[str, Any]:
        """What waits goes with the copy: whichever process starts the run writes it down."""
        state = self.__dict__ | {
            "_journal": None,
            "spool": None,
            "waiting": self.waiting.copy(),
            "_overflow": 0,
        }
        self._carried = len(self.waiting)
        return state | {"_made": deque(), "failed": deque()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        _outboxes.add(self)


_outboxes: weakref.WeakSet[Outbox] = weakref.WeakSet()


def _after_fork() -> None:
    """In the child of a fork: what the thread made is the parent's to write."""
    for outbox in list(_outboxes):
        outbox._forget()
        if outbox.spool is not None:
            outbox.spool.forked()


os.register_at_fork(after_in_child=_after_fork)
