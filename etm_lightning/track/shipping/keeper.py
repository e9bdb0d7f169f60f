"""What goes on beside the training in its own process: once a second the disk, and at the exit the end."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import sys
import threading
from typing import Protocol

log = logging.getLogger(__name__)

EVERY = 1.0


class Kept(Protocol):
    """A run, as it is looked after."""

    def look_after(self) -> bool:
        """About once a second: sync, and tend the shipper. False when that is no longer needed."""

    def end_at_exit(self, error: BaseException | None) -> None:
        """The interpreter exits, because of `error`: end what is open, ask the shipper to finish."""

    def finish(self) -> list[str]:
        """Wait for the shipper, for a bounded time; what is to be told of sinks that are behind."""


class Keeper(threading.Thread):
    """Looks after the runs of this process; it is no thread that a training waits for."""

    def __init__(self) -> None:
        super().__init__(name="etm-keeper", daemon=True)
        self._stopped = threading.Event()

    def run(self) -> None:
        while not self._stopped.wait(EVERY):
            for kept in list(_kept):
                try:
                    if not kept.look_after():
                        _kept.discard(kept)
                except Exception as error:  # the others still want to be looked after
                    log.warning("a run could not be looked after: %s: %s", type(error).__name__, error)

    def stop(self) -> None:
        """End now; a disk that stalls is waited for two seconds."""
        self._stopped.set()
        if self.is_alive() and threading.current_thread() is not self:
            self.join(2.0)


_kept: set[Kept] = set()
_keepers: list[Keeper] = []


def keep(kept: Kept) -> None:
    """Look after `kept` from now on, until it says that it needs it no longer, or the interpreter exits."""
    _kept.add(kept)
    if not _keepers or not _keepers[-1].is_alive():
        _keepers[:] = [Keeper()]
        with contextlib.suppress(RuntimeError):  # no more threads: then it is looked after at the exit only
            _keepers[-1].start()


def _forked() -> None:
    """In the child of a fork: what the parent looks after is the parent's."""
    _kept.clear()
    _keepers.clear()


os.register_at_fork(after_in_child=_forked)


@atexit.register
def _at_exit() -> None:
    """The interpreter exits: a run that nobody ended ended as the interpreter does."""
    # where somebody types, an error does not end the interpreter
    error = None if hasattr(sys, "ps1") else getattr(sys, "last_value", None)
    for keeper in _keepers:
        keeper.stop()
    runs = list(_kept)
    for kept in runs:
        try:
            kept.end_at_exit(error)
        except Exception as failure:  # the other runs still want to be ended
            log.warning("a run could not be ended: %s", failure)
    for kept in runs:
        try:
            for line in kept.finish():
                print(line, file=sys.stderr, flush=True)
        except Exception as failure:
            log.warning("a run could not be finished: %s", failure)
