"""The catalogue's file follows the store: what is new or changed is read, all else is kept."""

from __future__ import annotations

import math
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote

import msgspec

from etm_lightning.layout import RunFolder
from etm_lightning.store import database, looking
from etm_lightning.store.filing import Entry, Seen, entry, write
from etm_lightning.store.row import key_in

_BATCH = 500
_Result = TypeVar("_Result")
_Before = dict[str, int]
"""By folder when a run that is settled changed; -1 for others."""
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class Changes:
    """Keys of the runs that are new, that changed, and that are gone since the last look."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


class Index:
    """What is known of the runs of one store, in a database. Safe for threads.

    Args:
        store: the folder of projects.
        max_age: seconds for which a look at the store counts.
        path: the file; None for one in memory.
    """

    def __init__(self, store: Path, *, max_age: float, path: Path | None) -> None:
        self.store, self.max_age, self.path = store, max_age, path
        self._real = os.path.realpath(store)
        self._connection: sqlite3.Connection | None = None
        self._readers: database.Readers | None = None  # of a file
        self._lock = threading.RLock()
        self._looking = threading.Lock()
        self._looked = -math.inf
        self._changes = Changes()

    def ask(
        self,
        sql: str,
        values: Sequence[Any] = (),
        make: Callable[[tuple[Any, ...]], Any] = tuple,
    ) -> list[Any]:
        """The rows of a question about what is known.

        Args:
            sql: the question.
            values: of its question marks.
            make: makes something of each row.
        """
        return self._asked(lambda known: [make(row) for row in known.execute(sql, values)])

    def bodies(
        self, column: str, sql: str, values: Sequence[Any], make: Callable[[str, float, bytes], _Result]
    ) -> list[_Result]:
        """What is kept of the runs that a question names.

        Args:
            column: ``row`` or ``digest``.
            sql: a question whose rows are a run's number, folder and when it was looked at.
            values: of its question marks.
            make: makes something of a folder, a time and what is kept.
        """

        def act(known: sqlite3.Connection) -> list[_Result]:
            chosen = known.execute(sql, values).fetchall()
            numbers = _encode([number for number, _, _ in chosen]).decode()
            kept = dict(
                known.execute(
                    f"SELECT run, {column} FROM bodies WHERE run IN (SELECT value FROM json_each(?))",
                    (numbers,),
                )
            )
            return [make(folder, looked, kept[run]) for run, folder, looked in chosen if run in kept]

        return self._asked(act)

    def _asked(self, act: Callable[[sqlite3.Connection], _Result]) -> _Result:
        """Answer a question beside others and beside a look: in a file each has a connection of its own."""
        if readers := self._readers:
            # whatever is wrong, the connection that writes finds it too, and mends it
            with suppress(sqlite3.DatabaseError, msgspec.DecodeError, OSError):
                return readers.ask(act)
        with self._lock:
            return self._safely(act)

    def fresh(self) -> None:
        """Look at the store unless the last look still counts."""
        if time.monotonic() - self._looked <= self.max_age and self._connection is not None:
            return
        with self._looking:  # who comes while another looks waits for that look
            if time.monotonic() - self._looked > self.max_age or self._connection is None:
                self._look()

    def refresh(self) -> Changes:
        """Read what is new or changed in the store; tell which runs that were."""
        with self._looking:
            return self._look()

    def _look(self) -> Changes:
        with self._lock:
            opened = self._connection is None
            before = self._safely(_known)
            if opened:  # which is a look
                return self._changes
        seen = dict(looking.folders(self.store))  # with many runs it takes a while: others may ask meanwhile
        with self._lock:
            self._changes = self._safely(lambda known: self._follow(known, before, seen))
            self._looked = time.monotonic()
            return self._changes

    def _follow(self, known: sqlite3.Connection, before: _Before, seen: dict[str, int]) -> Changes:
        """Read what is new or changed in the folders `seen`, compared with what was known `before`."""
        todo = [
            Seen(folder, self._key(folder), changed)
            for folder, changed in seen.items()
            if before.get(folder) != changed and (folder in before or looking.is_run(self.store / folder))
        ]
        gone = [folder for folder in before if folder not in seen]
        added: list[str] = []
        altered: list[str] = []
        known_before = (one for one in todo if one.folder in before)
        for some in _batches(filter(None, (self._read(known, one) for one in known_before))):
            write(known, some)
            altered += [one.key for one in some]
        with closing(self._new([one for one in todo if one.folder not in before])) as new:
            for some in _batches(new):
                write(known, some)
                added += [one.key for one in some]
        if gone:
            write(known, (), gone)
        return Changes(tuple(added), tuple(altered), tuple(self._key(folder) for folder in gone))

    def _new(self, runs: Sequence[Seen]) -> Generator[Entry]:
        """Runs that nothing is known of."""
        if runs:
            from etm_lightning.store.reader import read_all

            yield from read_all(self.store, runs)

    def _read(self, known: sqlite3.Connection, seen: Seen) -> Entry | None:
        """A run that changed or is not yet at rest; None if all is as it was."""
        # a look at a store at rest needs none of it
        from etm_lightning.store.digest import decoder
        from etm_lightning.store.digesting import digest

        path, now = self.store / seen.folder, time.time()
        found = looking.files(path)
        touched = max((time for _, time in found.values()), default=seen.changed) / 1e9
        same = _encode(found).decode()
        old = known.execute(
            "SELECT digest FROM runs JOIN bodies USING (run) WHERE folder = ? AND changed = ? AND files = ?",
            (seen.folder, seen.changed, same),
        ).fetchone()
        if old and now - touched > looking.RACY:
            one = decoder.decode(old[0])
            state = one.at(now, touched)
            settled = looking.settled(one, seen.changed, found)
            if state.status == "running" == one.state.status or (state == one.state and not settled):
                return None
            one = msgspec.structs.replace(one, state=state)
        else:
            one = digest(RunFolder(path), now=now)
        return entry(seen, found, one, now)

    def _key(self, folder: str) -> str:
        project, _, id = folder.partition("/")
        return key_in(self._real, unquote(project), id)

    def _safely(self, act: Callable[[sqlite3.Connection], _Result]) -> _Result:
        """Do it; with a file that turns out odd, on a new one; where none can be written, in memory."""
        for attempt in range(3):
            if self._connection is None:
                self._connection = database.connect(self.path if attempt < 2 else None)
                file = database.file_of(self._connection)
                self._readers = database.Readers(file) if file else None
                self._looked = -math.inf
            try:
                if self._looked == -math.inf:
                    seen = dict(looking.folders(self.store))
                    self._changes = self._follow(self._connection, _known(self._connection), seen)
                    self._looked = time.monotonic()
                return act(self._connection)
            except (sqlite3.DatabaseError, msgspec.DecodeError) as error:
                self.close()
                if attempt == 2:
                    raise
                if self.path is not None and database.odd(error):
                    database.remove(self.path)
                elif attempt == 0:
                    self.path = None
        raise AssertionError("unreachable")

    def close(self) -> None:
        """Close the file; the next question opens it again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            if self._readers is not None:
                self._readers.close()
            self._connection, self._readers = None, None


def _known(known: sqlite3.Connection) -> _Before:
    """What the last look found."""
    return dict(
        known.execute("SELECT folder, CASE WHEN settled THEN changed ELSE -1 END FROM runs").fetchall()
    )


def _batches(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    rest = iter(entries)
    while some := list(islice(rest, _BATCH)):
        yield some
