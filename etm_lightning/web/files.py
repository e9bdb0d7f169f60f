"""The files of a run, by opaque ids; none is reached by a path that a client gives."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import BinaryIO

from etm_lightning.records import Artifact, Media
from etm_lightning.store.run import StoredRun
from etm_lightning.track.plain import sound
from etm_lightning.web.stores import MissingError

LOGS = (".log", ".txt", ".out", ".err")


@dataclass(frozen=True)
class Log:
    """A text file in `logs/`: its path in the run's folder, what to call it, and its size in bytes."""

    path: str
    name: str
    size: int


def media(run: StoredRun) -> dict[str, Media]:
    """The run's media by id, in the order of recording."""
    return {
        _id("media", m.name, m.file, m.stage, str(m.step), str(m.time), str(i)): m for i, m in _numbered(run)
    }


def _numbered(run: StoredRun) -> list[tuple[int, Media]]:
    """Media with their number among those of one moment, so that equal ones stay apart."""
    seen: dict[tuple[object, ...], int] = {}
    found = []
    for one in run.media:
        same = (one.name, one.file, one.stage, one.step, one.time)
        seen[same] = seen.get(same, -1) + 1
        found.append((seen[same], one))
    return found


def artifacts(run: StoredRun) -> dict[str, Artifact]:
    """The run's artifacts by id, in the order of recording."""
    return {_id("artifact", a.name, a.path, a.sha256, str(a.time)): a for a in run.artifacts}


def logs(run: StoredRun) -> dict[str, Log]:
    """The files of text in the run's `logs/` by id."""
    found = {}
    try:
        entries = sorted(os.scandir(run.folder.logs), key=lambda entry: entry.name)
    except OSError:  # there is none
        return {}
    for entry in entries:
        if entry.name.endswith(LOGS) and entry.is_file(follow_symlinks=False):
            size = entry.stat(follow_symlinks=False).st_size
            found[_id("log", entry.name)] = Log(f"logs/{entry.name}", sound(entry.name), size)
    return found


def _id(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def served(run: StoredRun, path: str) -> bool:
    """Whether a recorded path is a plain file in the run's folder, which is all that is sent."""
    try:
        open_file(run, path).close()
    except MissingError:
        return False
    return True


def open_file(run: StoredRun, path: str) -> BinaryIO:
    """Open a file of the run's folder that one of its records names, without following a link.

    Each folder on the way is opened by its name in the one before: neither `..` nor a link leads out, also
    if somebody swaps one in meanwhile.

    Raises:
        MissingError: if it is not there, is no plain file, or lies elsewhere.
    """
    parts = _parts(path, run)
    if parts is None:
        raise MissingError("it lies outside the folder of its run: only what the run keeps itself is served")
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        folder = os.open(run.folder.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for part in parts[:-1]:
                inner = os.open(part, flags | os.O_DIRECTORY, dir_fd=folder)
                os.close(folder)
                folder = inner
            # a pipe must not hold up the server
            file = os.open(parts[-1], flags | os.O_NONBLOCK, dir_fd=folder)
        finally:
            os.close(folder)
    except (OSError, ValueError) as error:
        raise MissingError("the file is not there any more, or is no plain file") from error
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise MissingError("it is a folder or a device, not a file")
    return os.fdopen(file, "rb")


def _parts(path: str, run: StoredRun) -> tuple[str, ...] | None:
    """The steps from the run's folder to a recorded path; None if it leads elsewhere."""
    found = PurePosixPath(path)
    if found.is_absolute():
        if not found.is_relative_to(run.folder.path):
            return None
        found = found.relative_to(run.folder.path)
    parts = found.parts
    if not parts or ".." in parts or any("\0" in part or "\\" in part for part in parts):
        return None
    return parts
