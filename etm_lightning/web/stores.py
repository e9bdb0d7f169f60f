"""The stores that are shown, and their runs by key."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from etm_lightning.layout import RunFolder
from etm_lightning.store.run import StoredRun
from etm_lightning.store.store import Store
from etm_lightning.web.rows import Row, row

KEPT = 128
"""How many runs stay in memory with their points."""
SETTLED = 60.0
"""Seconds after which a run that ended is looked at by its folder only, not file by file."""

Signature = tuple[tuple[str, int, int], ...]


class MissingError(LookupError):
    """There is no such run, file or group here."""


@dataclass(frozen=True)
class Place:
    """A store, and the word by which the API calls it."""

    id: str
    store: Store

    @cached_property
    def path(self) -> Path:
        """Where it really is."""
        return self.store.path.resolve()

    @property
    def name(self) -> str:
        """The folder's name; that of its parent if it is the usual `etm_runs`."""
        path = self.store.path
        return path.parent.name if path.name == "etm_runs" and path.parent.name else path.name


@dataclass(frozen=True)
class Found:
    """A run, and where it is."""

    key: str
    place: Place
    run: StoredRun


def key_of(store: Path, project: str, id: str) -> str:
    """By what the API calls a run: the same for the same place of a store.

    >>> len(key_of(Path("etm_runs"), "p", "a"))
    16
    """
    return hashlib.sha256("\0".join((str(store), project, id)).encode("utf-8", "replace")).hexdigest()[:16]


def signature(journal: Path) -> Signature:
    """What changes when a journal does: its files and their sizes."""
    found = []
    for path in journal.iterdir() if journal.is_dir() else ():
        try:
            about = path.stat()
        except OSError:  # went away since it was listed
            continue
        found.append((path.name, about.st_size, about.st_mtime_ns))
    return tuple(sorted(found))


class Stores:
    """Several stores as one. What was read of a run is kept until its journal changes.

    Args:
        stores: the stores, in the order in which they are shown.
    """

    def __init__(self, stores: Iterable[Store]) -> None:
        self.places = [Place(str(number), store) for number, store in enumerate(stores)]
        self._folders: dict[str, tuple[Place, RunFolder]] = {}
        self._runs: OrderedDict[str, tuple[Signature, StoredRun]] = OrderedDict()
        self._rows: dict[str, tuple[object, Row]] = {}
        self._lock = threading.RLock()

    def place(self, id: str) -> Place:
        """The store of that id.

        Raises:
            MissingError: if there is none.
        """
        for place in self.places:
            if place.id == id:
                return place
        raise MissingError(f"`store` must be one of {', '.join(p.id for p in self.places)} but got {id!r}")

    def key(self, run: StoredRun) -> str:
        """By what the API calls a run of the first store."""
        return self._key(self.places[0], run.folder)

    def list(self, store: str = "", project: str = "") -> Iterator[tuple[str, Place, RunFolder]]:
        """The runs, in no particular order: key, store and folder."""
        for place in self.places:
            if store in ("", place.id):
                for folder in place.store.folders(project or None):
                    yield self._key(place, folder), place, folder

    def run(self, key: str) -> Found:
        """A run by its key, as its journal stands now.

        Raises:
            MissingError: if there is none.
        """
        place, folder = self._folder(key)
        return Found(key, place, self._load(key, folder))

    def row(self, key: str) -> Row:
        """What the table says about a run.

        Raises:
            MissingError: if there is none.
        """
        place, folder = self._folder(key)
        token = self.token(key)
        with self._lock:
            known = self._rows.get(key)
        if known and known[0] == token:
            return known[1]
        found = row(key, place.id, self._load(key, folder))
        with self._lock:
            self._rows[key] = (self.token(key, found), found)
        return found

    def token(self, key: str, known: Row | None = None) -> object:
        """What changes when the run's row may have."""
        stamp, running = self._stamp(key, known)
        return (stamp, int(time.time() / 5)) if running else stamp

    def pulse(self, key: str) -> object:
        """What changes when there is news of a run; nothing of its files is read for it.

        Raises:
            MissingError: if there is no such run.
        """
        stamp, running = self._stamp(key, None)
        with self._lock:
            held = self._runs.get(key)
        if running and held:
            held[1].look_again()
            return stamp, held[1].status
        return stamp

    def _stamp(self, key: str, known: Row | None) -> tuple[object, bool]:
        """What changes when the journal does, and whether the run may go on."""
        _, folder = self._folder(key)
        with self._lock:
            last = known or (self._rows[key][1] if key in self._rows else None)
        try:
            made = folder.journal.stat().st_mtime_ns
        except OSError:
            return None, False
        running = last is None or last["status"] == "running" or last["ended"] is None
        # a process that goes on after its run ended begins a new file, and so does whoever edits
        if not running and last and time.time() - last["ended"] > SETTLED:
            return made, False
        return (made, signature(folder.journal)), running

    def forget(self, key: str) -> None:
        """Read the run anew when it is asked for."""
        with self._lock:
            self._runs.pop(key, None)
            self._rows.pop(key, None)

    def _load(self, key: str, folder: RunFolder) -> StoredRun:
        now = signature(folder.journal)
        with self._lock:
            known = self._runs.get(key)
            if known and known[0] == now:
                self._runs.move_to_end(key)
                run = known[1]
            else:
                run = StoredRun(folder)
                self._runs[key] = now, run
                while len(self._runs) > KEPT:
                    self._runs.popitem(last=False)
        if run.status == "running":
            run.look_again()
        return run

    def _folder(self, key: str) -> tuple[Place, RunFolder]:
        with self._lock:
            known = self._folders.get(key)
        if known is None or not known[1].path.is_dir():
            for _ in self.list():  # one that came since
                pass
            with self._lock:
                known = self._folders.get(key)
        if known is None or not known[1].path.is_dir():
            raise MissingError(f"`run` must be the key of a run but there is no {key[:40]!r}")
        return known

    def _key(self, place: Place, folder: RunFolder) -> str:
        run = StoredRun(folder)
        key = key_of(place.path, run.project, run.id)
        with self._lock:
            self._folders[key] = place, folder
        return key
