"""What the journal asks of a disk: the one place to put another one under it."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Protocol


class Disk(Protocol):
    """Files that are only appended to, by number of descriptor; every method may raise OSError."""

    def create(self, path: Path) -> int:
        """Make a file that is not there and open it for appending.

        Raises:
            FileExistsError: if it is there.
        """

    def write(self, fd: int, data: bytes) -> int:
        """Append in one step what fits: how many bytes that was. They survive the death of this process."""

    def sync(self, fd: int) -> None:
        """Return when what was written survives a power cut."""

    def nameless(self, fd: int) -> bytes | None:
        """All that a file holds which somebody deleted while it is open; None if it has its name still."""

    def duplicate(self, fd: int) -> int:
        """A second descriptor of an open file."""

    def put_under(self, fd: int, onto: int) -> None:
        """Let the descriptor `onto` mean the file of `fd`, which is closed."""

    def close(self, fd: int) -> None:
        """Close a descriptor."""

    def remove(self, path: Path) -> None:
        """Take a file away."""

    def make_folder(self, path: Path) -> None:
        """Make a folder and those above it, where they are missing."""

    def sync_folder(self, path: Path) -> None:
        """Let the names in a folder survive a power cut, where the file system can."""


class LocalDisk:
    """The file system of this machine."""

    write = staticmethod(os.write)
    sync = staticmethod(os.fsync)
    duplicate = staticmethod(os.dup)
    close = staticmethod(os.close)
    remove = staticmethod(os.unlink)

    @staticmethod
    def create(path: Path) -> int:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o644)

    @staticmethod
    def nameless(fd: int) -> bytes | None:
        found = os.fstat(fd)
        return None if found.st_nlink else os.pread(fd, found.st_size, 0)

    @staticmethod
    def put_under(fd: int, onto: int) -> None:
        os.dup2(fd, onto, inheritable=False)
        with contextlib.suppress(OSError):  # what it has to say, `sync` of the other says too
            os.close(fd)

    @staticmethod
    def make_folder(path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)

    @staticmethod
    def sync_folder(path: Path) -> None:
        fd = os.open(path, os.O_RDONLY)
        with contextlib.suppress(OSError):  # some network file systems refuse: nothing more can be done there
            os.fsync(fd)
        os.close(fd)


LOCAL: Disk = LocalDisk()
