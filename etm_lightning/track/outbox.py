"""Records on their way to the journal."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from etm_lightning.journal import Journal
from etm_lightning.layout import RunFolder
from etm_lightning.records import Gap, Known, Started
from etm_lightning.track.media import Exhibit

log = logging.getLogger(__name__)

_MOST_WAITING = 100_000


class Outbox:
    """Lets records wait until there is a journal, and then writes them.

    A disk that fails costs the records it refused: they are counted, and the first record it takes again
    comes after a `gap`. Without locks, so that a signal handler and a forked child may use it.

    Args:
        clock: Unix seconds.

    Attributes:
        waiting: what waits for the journal.
        lost: how many records the disk refused.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.waiting: deque[Known | Exhibit] = deque()
        self.lost = 0
        self._clock = clock
        self._journal: Journal | None = None
        self._folder = RunFolder(Path())
        self._untold, self._since = 0, 0.0
        self._carried = 0

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

    def put(self, item: Known | Exhibit) -> None:
        """Write a record, or let it wait.

        Raises:
            TypeError: if the record holds something JSON has no form for.
            ValueError: if it holds what JSON cannot, such as half of a surrogate pair.
            OverflowError: if it holds a number that is too large.
        """
        if self._journal is not None:
            self._write(self._journal, item)
            return
        if len(self.waiting) == _MOST_WAITING:
            self.waiting.popleft()
            self._miss("the run could not be started")
        self.waiting.append(item)

    def sync(self) -> None:
        """Ask the disk to keep through a power cut what was written.

        Raises:
            OSError: if it refuses.
        """
        if self._journal is not None:
            self._journal.sync()

    def _write(self, journal: Journal, item: Known | Exhibit) -> None:
        try:
            if self._untold:
                gap = Gap(time=self._clock(), lost=self._untold, since=self._since, reason="the disk failed")
                journal.append(gap)
                self._untold = 0
            if isinstance(item, Exhibit):
                item.store(self._folder)
                item = item.record
            journal.append(item)
        except OSError as error:
            self._miss(str(error))

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
        return state
