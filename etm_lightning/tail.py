"""The records of a run as they come: each that counts, once, from where a reader stopped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from etm_lightning.attempts import Cut, Writer, cuts, find_writers, until
from etm_lightning.reading import START, Cursor, Damage
from etm_lightning.records import Artifact, Media, Record, Scalars, Text

VALUES = (Scalars, Text, Media, Artifact)


class SupersededError(Exception):
    """What was given does not count any more: a later attempt began at a checkpoint before it."""


class Tail:
    """Reads on in a run's journal. Damage is passed over; `follow` reports it.

    Args:
        journal: the run's ``journal/`` folder.
        cursors: by writer, the last record that the reader has dealt with.
        reaching: by writer, the last record that it may have dealt with, if it was broken off then.
        ranks: also give what ranks above 0 recorded.
    """

    def __init__(
        self,
        journal: Path,
        cursors: Mapping[str, Cursor] | None = None,
        *,
        reaching: Mapping[str, Cursor] | None = None,
        ranks: bool = False,
    ) -> None:
        self._journal, self._ranks = journal, ranks
        self._cursors, self._reaching = dict(cursors or {}), dict(reaching or {})
        self._known: list[str] = []
        self._cuts: Mapping[int, Cut | None] = {}
        self._complete: set[str] = set()

    def poll(self) -> Iterator[tuple[str, Cursor, Record]]:
        """What is new: the name of the writer, the place after the record, and the record.

        Raises:
            SupersededError: if values that were given before do not count any more; begin anew.
        """
        found = [writer for writer in find_writers(self._journal) if self._ranks or not writer.header.rank]
        self._decide(found)
        for writer in found:
            if writer.name in self._complete:
                continue
            for cursor, item in self._of_earlier(writer) if self._ends(writer) else self._of_now(writer):
                self._cursors[writer.name] = cursor
                yield writer.name, cursor, item

    def _decide(self, found: list[Writer]) -> None:
        """Which attempts count; asked anew when there is a new writer."""
        names = [writer.name for writer in found]
        newest = max((writer.header.attempt for writer in found), default=0)
        if names != self._known or (newest and newest not in self._cuts):
            if names and (gone := self._cursors.keys() - names):  # by a power cut, or a person
                raise SupersededError(f"{min(gone)} is gone, and with it what was given")
            self._known, self._cuts = names, cuts(found)
            self._complete.clear()

    def _ends(self, writer: Writer) -> bool:
        """Whether the writer is of an attempt that a later one cut or made void."""
        header = writer.header
        return header.role in ("train", "child") and self._cuts.get(header.attempt, Cut.VOID) is not None

    def _of_now(self, writer: Writer) -> Iterator[tuple[Cursor, Record]]:
        for cursor, item in writer.read(self._cursors.get(writer.name, START)):
            if not isinstance(item, Damage):
                yield cursor, item

    def _of_earlier(self, writer: Writer) -> Iterator[tuple[Cursor, Record]]:
        last = self._cursors.get(writer.name, START)
        furthest = self._reaching.get(writer.name, START)
        given, maybe = last != START, furthest != START
        for fact in until(writer, self._cuts.get(writer.header.attempt) or Cut.VOID):
            if (given or maybe) and not fact.counts and isinstance(fact.item, VALUES):
                raise SupersededError(f"{writer.name} does not count after record {fact.cursor.n}")
            if given:
                given = fact.cursor != last
            elif fact.counts and not isinstance(fact.item, Damage):
                yield fact.cursor, fact.item
            maybe = maybe and fact.cursor != furthest
        if given:  # what was given after it cannot be told from what was not
            raise SupersededError(f"{writer.name} has lost record {last.n}, which was given")
        self._complete.add(writer.name)
