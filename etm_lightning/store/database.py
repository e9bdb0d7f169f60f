"""The catalogue's SQLite file: derived, in the user's cache, made anew whenever anything about it is odd."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

from etm_lightning.process import host

VERSION = 3
"""Of the tables and of what a digest holds; a file of another version is made anew."""

_Result = TypeVar("_Result")
_TABLES = """
CREATE TABLE runs (
    run INTEGER PRIMARY KEY, folder TEXT NOT NULL UNIQUE, changed INTEGER NOT NULL, settled INTEGER NOT NULL,
    files TEXT NOT NULL, looked REAL NOT NULL, key TEXT NOT NULL, project TEXT NOT NULL, id TEXT NOT NULL,
    name TEXT, "group" TEXT,
    status TEXT, reason TEXT, created REAL, started REAL, ended REAL, duration REAL, attempts INTEGER,
    tags TEXT, notes TEXT, archived INTEGER, trashed INTEGER, question TEXT, forked_from TEXT, evaluates TEXT,
    replicates TEXT, alerts INTEGER, damage INTEGER
);
CREATE TABLE bodies (run INTEGER PRIMARY KEY, row BLOB NOT NULL, digest BLOB NOT NULL);
CREATE INDEX newest ON runs (created, id);
CREATE INDEX keys ON runs (key);
CREATE TABLE names (name INTEGER PRIMARY KEY, kind TEXT NOT NULL, text TEXT NOT NULL, UNIQUE (kind, text));
CREATE TABLE vals (
    run INTEGER NOT NULL, name INTEGER NOT NULL, kind TEXT NOT NULL, number REAL, text TEXT,
    PRIMARY KEY (run, name)
) WITHOUT ROWID;
CREATE INDEX by_name ON vals (name, kind, number, text);
"""
_NETWORK = ("nfs", "cifs", "smb", "lustre", "gpfs", "beegfs", "ceph", "fuse.", "afs", "wekafs", "9p", "panfs")


def place(store: Path) -> Path | None:
    """The catalogue's file for a store; None where the user wants none (``ETM_CATALOGUE=0``).

    It lies in `ETM_CATALOGUE`, else in `$XDG_CACHE_HOME/etm` (`~/.cache/etm`); each host has its own.
    """
    given = os.environ.get("ETM_CATALOGUE", "")
    if given == "0":
        return None
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    folder = Path(given) if given else Path(home) / "etm"
    name = hashlib.sha256(f"{host()}\0{os.path.realpath(store)}".encode(errors="surrogateescape")).hexdigest()
    return folder / f"{name[:16]}.sqlite"


def connect(path: Path | None) -> sqlite3.Connection:
    """The database in `path`, emptied if it is of another version or damaged; in memory where none can be."""
    if path is not None and not on_network(path.parent):
        for again in (False, True):
            try:
                return _open(path)
            except sqlite3.DatabaseError as error:
                if again or not odd(error):
                    break
                remove(path)
            except OSError:
                break
    return _prepared(sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None))


class File(NamedTuple):
    """A database's file, told from another one that may take its place."""

    path: Path
    inode: int


def file_of(opened: sqlite3.Connection) -> File | None:
    """The file of a database; None for one in memory."""
    name = opened.execute("PRAGMA database_list").fetchone()[2]
    return File(Path(name), os.stat(name).st_ino) if name else None


class Readers:
    """Connections for questions to one file, each for one question at a time. Safe for threads."""

    def __init__(self, file: File) -> None:
        self._file = file
        self._idle: list[sqlite3.Connection] = []
        self._closed = False
        self._lock = threading.Lock()

    def ask(self, act: Callable[[sqlite3.Connection], _Result]) -> _Result:
        """What `act` makes of a connection.

        Raises:
            sqlite3.OperationalError: if the file is gone, or another one is in its place.
        """
        with self._lock:
            known = self._idle.pop() if self._idle else None
        known = known or _reader(self._file)
        try:
            found = act(known)
        except BaseException:
            known.close()
            raise
        with self._lock:
            if not self._closed:
                self._idle.append(known)
                return found
        known.close()  # the others were closed meanwhile
        return found

    def close(self) -> None:
        """Close those that are idle now, and each other one after its question."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for known in idle:
            known.close()


def _reader(file: File) -> sqlite3.Connection:
    opened = sqlite3.connect(f"{file.path.as_uri()}?mode=rw", uri=True, timeout=30.0, check_same_thread=False)
    opened.isolation_level = None
    try:
        if os.stat(file.path).st_ino != file.inode:
            raise sqlite3.OperationalError("another file")
        opened.execute("PRAGMA query_only=1")
        opened.create_function("etm_contains", 2, _contains, deterministic=True)
    except BaseException:
        opened.close()
        raise
    return opened


def odd(error: Exception) -> bool:
    """Whether the file is to blame, and not a lock or the disk."""
    return not isinstance(error, sqlite3.OperationalError) or "no such" in str(error)


def remove(path: Path) -> None:
    """Take the file away; it is made anew from the journals."""
    for end in ("", "-wal", "-shm", "-journal"):
        with contextlib.suppress(OSError):
            path.with_name(path.name + end).unlink()


def _open(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    made = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    os.fchmod(made, 0o600)  # settings are nobody else's to read
    os.close(made)
    opened = sqlite3.connect(path, timeout=30.0, check_same_thread=False, isolation_level=None)
    try:
        opened.execute("PRAGMA journal_mode=WAL")
        opened.execute("PRAGMA synchronous=NORMAL")
        opened.execute("PRAGMA cache_size=-65536")  # KiB: the index of a big store, which grows everywhere
        return _prepared(opened)
    except BaseException:
        opened.close()
        raise


def _prepared(opened: sqlite3.Connection) -> sqlite3.Connection:
    opened.create_function("etm_contains", 2, _contains, deterministic=True)
    version = opened.execute("PRAGMA user_version").fetchone()[0]
    if version == VERSION:
        return opened
    if version:
        raise sqlite3.DatabaseError(f"version {version}")
    opened.execute("BEGIN IMMEDIATE")
    if not opened.execute("PRAGMA user_version").fetchone()[0]:  # another process may have made them since
        for statement in _TABLES.split(";"):
            opened.execute(statement)
        opened.execute(f"PRAGMA user_version={VERSION}")
    opened.execute("COMMIT")
    return opened


def on_network(folder: Path) -> bool:
    """Whether a folder, or the one it will be made in, lies on a network file system (told on Linux only)."""
    try:
        mounts = Path("/proc/self/mountinfo").read_text(errors="surrogateescape").splitlines()
    except OSError:
        return False
    real = os.path.realpath(folder)
    best, kind = "", ""
    for line in mounts:
        left, _, right = line.partition(" - ")
        point = left.split(" ")[4].encode().decode("unicode_escape", errors="replace")
        inside = real == point or real.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, right.split(" ")[0]
    return kind.startswith(_NETWORK)


def _contains(text: object, part: object) -> bool:
    """Whether `part` is in `text`, in either case of its letters."""
    return str(part).casefold() in str(text).casefold() if text is not None else False
