"""Who takes part in a simulated history: a clock, the processes that write, and one that reads."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from etm_lightning.journal import Journal
from etm_lightning.reading import Cursor
from etm_lightning.records import Known, Record, milliseconds
from etm_lightning.tail import SupersededError, Tail
from etm_lightning.track.spool import Spool


class Clock:
    """Unix seconds that jump, and seconds that only rise."""

    def __init__(self) -> None:
        self.unix, self.rising = 1.7e9, 0.0

    def pass_(self, seconds: float) -> None:
        self.unix += seconds
        self.rising += seconds

    def now(self) -> float:
        return milliseconds(self.unix)

    def monotonic(self) -> float:
        return self.rising


def names(seed: int) -> Iterator[str]:
    """How writers' names end, in this history: in any order, and none of them twice."""
    return (f"{number:04x}" for number in random.Random(seed).sample(range(1 << 16), 1 << 12))


class NamedJournal(Journal):
    """A journal whose name is drawn by the history.

    Names that journals draw by themselves are kept apart by their first file, which a writer that is killed
    before it is made has not: then the oracle would take two of them for one.
    """

    endings: Iterator[str]

    def _draw_name(self) -> None:
        super()._draw_name()
        self.writer = f"{self.writer[:-4]}{next(self.endings)}"


@dataclass
class Life:
    """One process that wrote for the run, and what the oracle knows of it.

    Attributes:
        accepted: what it was given and kept, in order.
        unsure: what it was given when it was killed.
        safe: what a reader found when a sync had succeeded.
        sheltered: how many records it had been given when records first waited in memory.
        failed_syncs: how many syncs failed on a file that had something to lose.
        exposed: a sync failed, and none has succeeded since: what was not safe may be gone.
        cut: the power was cut after it had written.
        killed_within: it was killed in a call to the disk.
    """

    attempt: int
    journal: Journal
    spool: Spool
    accepted: list[Known] = field(default_factory=list)
    unsure: list[Known] = field(default_factory=list)
    safe: set[str] = field(default_factory=set)
    sheltered: int | None = None
    failed_syncs: int = 0
    exposed: bool = False
    cut: bool = False
    killed_within: bool = False


class Reader:
    """Reads on at random moments, now and then as a new process that only knows its cursors."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cursors: dict[str, Cursor] = {}
        self.tail = Tail(folder)
        self.got: list[Record] = []

    def read(self, chance: random.Random) -> None:
        if chance.random() < 0.3:
            self.tail = Tail(self.folder, self.cursors)
        try:
            for writer, cursor, record in self.tail.poll():
                self.cursors[writer] = cursor
                self.got.append(record)
                if chance.random() < 0.05:
                    self.tail = Tail(self.folder, self.cursors)
                    return
        except SupersededError:
            self.cursors, self.got, self.tail = {}, [], Tail(self.folder)

    def rest(self) -> bool:
        """Whether there is anything left to read."""
        try:
            return any(True for _ in Tail(self.folder, self.cursors).poll())
        except SupersededError:
            return True
