"""A lock that ends with its process, and so tells whether that lives."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


class Lock:
    """A file that one process holds, with those it gave `descriptor` to, until the last of them is gone."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    @classmethod
    def take(cls, path: Path) -> Lock | None:
        """Hold `path`; None if somebody else does."""
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except OSError:  # a file system without locks: then two controllers can meet
            pass
        return cls(descriptor)

    @staticmethod
    def held(path: Path) -> bool:
        """Whether somebody holds `path`."""
        if not path.exists():
            return False
        lock = Lock.take(path)
        if lock is None:
            return True
        lock.release()
        return False

    def release(self) -> None:
        """Let go of it here; processes that have the descriptor go on holding it."""
        os.close(self.descriptor)
