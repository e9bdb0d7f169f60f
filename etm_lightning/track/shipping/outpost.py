"""The hardware of the nodes above the first: a companion there that samples it, and does nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable

from etm_lightning.layout import RunFolder
from etm_lightning.track.shipping.companion import Companion

WAIT = 120.0
"""Seconds in which the files of rank 0 must come in sight: a network disk may show them late."""


class Outpost:
    """Looks after the companion of a node above the first, for the process that has local rank 0 there.

    Where the run's folder is not on a disk that the nodes share, it does nothing.

    Args:
        folder: the run's folder.
        attempt: the attempt that is accompanied.
        rank: global rank of this process.
        clock: seconds.
    """

    def __init__(
        self, folder: RunFolder, attempt: int, rank: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.folder, self.attempt = folder, attempt
        self._rank, self._clock, self._until = rank, clock, clock() + WAIT
        self._companion: Companion | None = None
        self.over = False

    def look_after(self) -> bool:
        """Start the companion once rank 0 has begun, and again if it dies; False when it is over."""
        if self._companion is None and self._begun():
            self._companion = Companion(self.folder, self.attempt, [], rank=self._rank)
        if self._companion is None:
            self.over = self._clock() >= self._until
        else:
            self.over = not self._companion.tick(ended=self._companion.left)
        return not self.over

    def end_at_exit(self, error: BaseException | None) -> None:
        """Nothing is to be ended here: rank 0 does that."""
        if self._companion is not None:
            self._companion.ask_to_finish()

    def finish(self) -> list[str]:
        """Wait for the companion, for a moment."""
        return [] if self._companion is None else self._companion.finish()

    def _begun(self) -> bool:
        """Whether rank 0 writes. From the files that are there it tells its attempt: ours come later."""
        return any(self.folder.journal.glob(f"{self.attempt}-train-*"))
