"""The stores that are shown, and their runs by key."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from etm_lightning.layout import RunFolder
from etm_lightning.store.catalogue import Catalogue
from etm_lightning.store.looking import files
from etm_lightning.store.row import key_of
from etm_lightning.store.run import StoredRun
from etm_lightning.store.store import Store

KEPT = 256
KEPT_BYTES = 2**30
"""How many runs stay in memory with their points, and how large their journals and curves may be together."""
FRESH = 0.5
"""Seconds for which a look at a whole store counts for all who ask."""
LOOK = 0.4
"""Seconds for which a look at a store counts for all who want to hear what changes; less than `EVERY`."""

Signature = dict[str, tuple[int, int]]
Pulse = dict[str, object]


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

    @cached_property
    def catalogue(self) -> Catalogue:
        """Its runs; a page that asks many things at once is answered from one look."""
        return Catalogue(self.store.path, max_age=FRESH)

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
    curves: dict[Any, Any] = field(default_factory=dict)
    """What was made of its points, as long as these are the same."""


@dataclass
class _Kept:
    """A run in memory, as its files were when it was read."""

    files: Signature
    found: Found
    size: int


class Stores:
    """Several stores as one. What was read of a run is kept until its journal changes.

    Args:
        stores: the stores, in the order in which they are shown.
    """

    def __init__(self, stores: Iterable[Store]) -> None:
        self.places = [Place(str(number), store) for number, store in enumerate(stores)]
        self._runs: OrderedDict[str, _Kept] = OrderedDict()
        self._size = 0
        self._reading: dict[str, threading.Lock] = {}
        self._pulses: dict[str, tuple[float, Pulse]] = {}
        self._looking = threading.Lock()
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

    def chosen(self, id: str = "") -> list[Place]:
        """The store of that id, or all.

        Raises:
            MissingError: if there is none.
        """
        return [self.place(id)] if id else self.places

    def key(self, run: StoredRun) -> str:
        """By what the API calls a run of the first store."""
        return key_of(self.places[0].store.path, run.project, run.id)

    def keys(self) -> list[str]:
        """All runs, the newest of each store first."""
        return [row.key for place in self.places for row in place.catalogue.rows(archived=None, trashed=None)]

    def run(self, key: str) -> Found:
        """A run by its key, as its journal stands now.

        Raises:
            MissingError: if there is none.
        """
        with self._lock:
            kept = self._runs.get(key)
        if kept and (found := self._load(key, kept.found.place, kept.found.run.folder)):
            return found
        place, folder = self._folder(key)
        found = self._load(key, place, folder)
        return found or Found(key, place, StoredRun(folder))

    def ahead(self, key: str) -> None:
        """Begin to read a run whose points will be asked for in a moment."""

        def read() -> None:
            with suppress(MissingError, OSError):  # who asks for them is told
                self.run(key)

        threading.Thread(target=read, daemon=True).start()

    def holds(self, key: str) -> bool:
        """Whether a run is in memory, so that its points cost little."""
        with self._lock:
            return key in self._runs

    def reads(self, key: str) -> bool:
        """Whether somebody is reading a run now, for whom one would have to wait."""
        reading = self._reading.get(key)
        return reading is not None and reading.locked()

    def pulse(self, id: str = "", *, look: bool = True) -> Pulse:
        """By run what changes when there is news of it.

        Args:
            id: the store; all if empty.
            look: look at the stores, or tell how the last look found them.
        """
        found: Pulse = {}
        for place in self.chosen(id):
            if not look:
                found |= place.catalogue.known().pulse()
                continue
            with self._looking:
                looked, known = self._pulses.get(place.id, (0.0, {}))
                if time.monotonic() - looked > LOOK:
                    known = place.catalogue.pulse()
                    self._pulses[place.id] = time.monotonic(), known
            found |= known
        return found

    def _load(self, key: str, place: Place, folder: RunFolder) -> Found | None:
        """The run as its files are now; None if it has none."""
        with self._lock:
            reading = self._reading.setdefault(key, threading.Lock())
        with reading:  # who asks for a run that is being read waits for that
            now = files(folder.path)
            if not now:
                return None
            with self._lock:
                kept = self._runs.get(key)
            if kept and kept.files == now:
                found = kept.found
            else:
                found = Found(key, place, kept.found.run.again() if kept else StoredRun(folder))
            if found.run.status == "running":
                found.run.look_again()
            self._keep(key, now, found)
        return found

    def _keep(self, key: str, now: Signature, found: Found) -> None:
        with self._lock:
            self._drop(key)
            curves = list(found.curves.values())  # others may come while these are counted
            size = sum(size for size, _ in now.values()) + sum(one.size for one in curves)
            self._runs[key] = _Kept(now, found, size)
            self._size += size
            while len(self._runs) > 1 and (len(self._runs) > KEPT or self._size > KEPT_BYTES):
                gone = next(iter(self._runs))
                self._drop(gone)
                self._reading.pop(gone, None)

    def _drop(self, key: str) -> None:
        if key in self._runs:
            self._size -= self._runs.pop(key).size

    def _folder(self, key: str) -> tuple[Place, RunFolder]:
        for refreshed in (False, True):
            for place in self.places:
                if refreshed:  # one that came since
                    place.catalogue.refresh()
                try:
                    folder = place.catalogue.folder(key)
                except LookupError:
                    continue
                if folder.path.is_dir():
                    return place, folder
        raise MissingError(f"`run` must be the key of a run but there is no {key[:40]!r}")
