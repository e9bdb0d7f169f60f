"""What the file system says about runs without opening a file: enough to know what must be read again."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from etm_lightning.process import Process, lives

if TYPE_CHECKING:
    from etm_lightning.store.digest import Digest

RACY = 2.0
"""Seconds in which a file or folder may change again without its time telling so."""
_DAY = 86400.0
"""Seconds without a write after which a process that cannot be seen from here will not write any more."""


def folders(store: Path) -> Iterator[tuple[str, int]]:
    """What may be runs: ``<project>/<id>`` as the folders are called, and when their journals changed.

    The time, in nanoseconds, is that of the folder ``journal``, which changes as files come and go; 0 without
    such a folder.
    """
    for project in visible(str(store)):
        for name in visible(f"{store}/{project}"):
            try:
                changed = os.stat(f"{store}/{project}/{name}/journal").st_mtime_ns
            except OSError:
                changed = 0
            yield f"{project}/{name}", changed


def visible(folder: str) -> list[str]:
    """The names of the folders in a folder; none if it cannot be read.

    Left out are hidden ones, and those whose names are no text (UTF-8): none of ours.
    """
    try:
        with os.scandir(folder) as entries:
            return [
                entry.name
                for entry in entries
                if not entry.name.startswith(".") and is_text(entry.name) and entry.is_dir()
            ]
    except OSError:
        return []


def is_text(name: str) -> bool:
    """Whether the name of a file is UTF-8, as those of all of ours are."""
    return name.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in name)


def is_run(folder: Path) -> bool:
    """Whether it is the folder of a run, be it one that lost its `run.json`."""
    return (folder / "run.json").exists() or any(folder.glob("journal/*.*"))


def files(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time (nanoseconds) of the files of a run's journal, by name; ours have names that are text."""
    found = {}
    try:
        with os.scandir(folder / "journal") as entries:
            for entry in entries:
                if is_text(entry.name):
                    known = entry.stat()
                    found[entry.name] = known.st_size, known.st_mtime_ns
    except OSError:  # went away since it was listed: the next look tells
        pass
    return found


def settled(one: Digest, changed: int, files: Iterable[str]) -> bool:
    """Whether files that are there cannot grow any more: then only a new file makes a difference.

    Args:
        one: what was read.
        changed: when the journal's folder changed before that, in nanoseconds.
        files: the names of all.
    """
    now = time.time()
    if now - changed / 1e9 < RACY or one.state.status == "running":
        return False
    seen = [
        lives(Process(life.header.host, life.header.boot, life.header.pid, life.header.born))
        for life in one.lives
    ]
    if True in seen:
        return False
    writers = {name.rpartition(".")[0].rpartition(".")[0] for name in files}
    return (None not in seen and len(seen) == len(writers) > 0) or now - one.touched > _DAY
