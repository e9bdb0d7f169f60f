"""A disk in memory that fails on demand and knows what a power cut leaves.

What is written lies in the page cache, where readers see it and where it survives the death of a process.
Only a sync brings it to the platter. A power cut keeps the platter, and of the pages that were not synced
some: whole, torn, or not at all. A sync that fails marks pages as clean that never arrived, as Linux does,
and may take them out of the cache, so that a second sync succeeds and is not to be believed.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from random import Random

PAGE = 4096


class Killed(BaseException):
    """The process that makes the call is killed in it."""


class Content:
    """One file: what readers see, what the platter has, and what no sync has tried to bring there."""

    def __init__(self) -> None:
        self.seen = bytearray()
        self.platter = bytearray()
        self.dirty: list[tuple[int, int]] = []
        self.version = 0

    def append(self, data: bytes) -> None:
        self.dirty.append((len(self.seen), len(self.seen) + len(data)))
        self.seen += data
        self.version += 1

    def pages(self) -> list[tuple[int, int]]:
        """The dirty stretches, cut at the pages."""
        return [
            (max(start, page * PAGE), min(stop, (page + 1) * PAGE))
            for start, stop in self.dirty
            for page in range(start // PAGE, (stop - 1) // PAGE + 1)
        ]

    def save(self, start: int, stop: int) -> None:
        """Bring a stretch to the platter; a hole before it is zeros."""
        if len(self.platter) < stop:
            self.platter += bytes(stop - len(self.platter))
        self.platter[start:stop] = self.seen[start:stop]

    def save_some(self, chance: Random) -> None:
        """Bring an arbitrary part of what is dirty to the platter, pages torn where it likes."""
        for start, stop in self.pages():
            fate = chance.random()
            if fate < 0.4:
                self.save(start, stop)
            elif fate < 0.6:
                self.save(start, chance.randint(start, stop))
        self.dirty.clear()

    def reread(self) -> None:
        """Forget the cache."""
        if self.seen != self.platter:
            self.seen = bytearray(self.platter)
            self.version += 1


class SimulatedDisk:
    """The disk of one machine.

    Args:
        chance: decides what is lost.
        wait: lets seconds pass.

    Attributes:
        room: how many bytes it still takes; None for any number.
        refuse: errno of every write, create and sync; 0 for none.
        refuse_sync: errno of every sync; 0 for none.
        short: the chance that a write takes only a part.
        delay: seconds that a write takes.
        calls: how many calls were made.
        failed_syncs: how many syncs failed on a file that had something to lose.
        die_at: the number of the call in which the process is killed.
        fail_at: the number of the call that fails, with `fail_with`.
        fails_on: whether all calls from that one on fail.
    """

    def __init__(self, chance: Random, wait: Callable[[float], object] = lambda seconds: None) -> None:
        self._chance, self._wait = chance, wait
        self.names: dict[Path, Content] = {}
        self._safe_names: dict[Path, Content] = {}
        self._open: dict[int, Content] = {}
        self._next = 1000
        self._shown: dict[Path, tuple[Content, int]] = {}
        self.room: int | None = None
        self.refuse = self.refuse_sync = 0
        self.short = self.delay = 0.0
        self.calls = self.failed_syncs = 0
        self.die_at = self.fail_at = 0
        self.fail_with, self.fails_on = errno.EIO, False
        self.dead = False

    # -- what a journal does --------------------------------------------------------------------------------

    def create(self, path: Path) -> int:
        self._call()
        if self.refuse and self._chance.random() < 0.7:  # what fails need not fail in everything
            self._refuse(self.refuse)
        if path in self.names:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
        self.names[path] = Content()
        return self._descriptor(self.names[path])

    def write(self, fd: int, data: bytes) -> int:
        dies = self._call(dies=False)
        if self.delay:
            self._wait(self.delay)
        self._refuse(self.refuse)
        size = len(data)
        if dies or (self.short and self._chance.random() < self.short):
            size = self._chance.randint(0, size)
        if self.room is not None:
            size = min(size, self.room)
            self.room -= size
            if not size:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if size:
            self._open[fd].append(data[:size])
        if dies:
            self._die()
        return size

    def sync(self, fd: int) -> None:
        content = self._open[fd]
        try:
            self._call()
            self._refuse(self.refuse or self.refuse_sync)
        except OSError:
            if content.dirty:
                self.failed_syncs += 1
                content.save_some(self._chance)
                if self._chance.random() < 0.5:
                    content.reread()
            raise
        for start, stop in content.dirty:
            content.save(start, stop)
        content.dirty.clear()

    def close(self, fd: int) -> None:
        self._call()
        del self._open[fd]

    def nameless(self, fd: int) -> bytes | None:
        content = self._open[fd]
        return None if any(one is content for one in self.names.values()) else bytes(content.seen)

    def duplicate(self, fd: int) -> int:
        self._call()
        return self._descriptor(self._open[fd])

    def put_under(self, fd: int, onto: int) -> None:
        self._call()
        self._open[onto] = self._open.pop(fd)

    def remove(self, path: Path) -> None:
        self._call()
        self._refuse(self.refuse if self.refuse != errno.ENOSPC else 0)
        del self.names[path]

    def make_folder(self, path: Path) -> None:
        self._call()
        self._refuse(self.refuse)

    def sync_folder(self, path: Path) -> None:
        self._call()
        self._refuse(self.refuse)
        for name in [name for name in self._safe_names if name.parent == path and name not in self.names]:
            del self._safe_names[name]
        self._safe_names.update({name: one for name, one in self.names.items() if name.parent == path})

    # -- what happens to it ---------------------------------------------------------------------------------

    def kill(self) -> None:
        """The process is gone; the page cache is not."""
        self._open.clear()
        self.dead, self.die_at, self.fail_at = False, 0, 0

    def cut_power(self) -> None:
        """The machine is gone: what was not synced is there or not, whole or torn."""
        self.kill()
        for content in {id(one): one for one in self.names.values()}.values():
            content.save_some(self._chance)
            content.reread()
        for path in list(self.names):
            if path not in self._safe_names and self._chance.random() < 0.5:
                del self.names[path]
        self._safe_names = dict(self.names)

    def mend(self) -> None:
        """No faults from now on."""
        self.room, self.refuse, self.refuse_sync, self.short, self.delay = None, 0, 0, 0.0, 0.0
        self.fail_at = 0

    def show(self, folder: Path) -> None:
        """Lay its files into a real `folder`, for readers."""
        folder.mkdir(parents=True, exist_ok=True)
        for path, content in self.names.items():
            if self._shown.get(path) != (content, content.version):
                (folder / path.name).write_bytes(content.seen)
                self._shown[path] = content, content.version
        for path in [path for path in self._shown if path not in self.names]:
            (folder / path.name).unlink()
            del self._shown[path]

    # -------------------------------------------------------------------------------------------------------

    def _descriptor(self, content: Content) -> int:
        self._next += 1
        self._open[self._next] = content
        return self._next

    def _call(self, dies: bool = True) -> bool:
        """Count a call; whether the process dies in it, at once if `dies`."""
        if self.dead:
            raise Killed
        self.calls += 1
        if self.calls == self.fail_at or (self.fails_on and self.fail_at and self.calls > self.fail_at):
            raise OSError(self.fail_with, os.strerror(self.fail_with))
        if self.calls == self.die_at and dies:
            self._die()
        return self.calls == self.die_at

    def _die(self) -> None:
        self.dead = True
        raise Killed

    def _refuse(self, number: int) -> None:
        if number:
            raise OSError(number, os.strerror(number))
