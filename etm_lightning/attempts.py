"""Which of a run's records count: attempts follow one another from checkpoint to checkpoint."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from etm_lightning.process import Process, lives
from etm_lightning.reading import START, Cursor, Damage, follow, writers
from etm_lightning.records import Checkpoint, Header, Record, Started


@dataclass(frozen=True)
class Writer:
    """One process that wrote for the run: its header and the files it wrote."""

    name: str
    header: Header
    segments: tuple[Path, ...]

    def alive(self) -> bool | None:
        """Whether the process still runs; None if it is on a host that cannot be seen from here."""
        header = self.header
        return lives(Process(header.host, header.boot, header.pid, header.born))

    def read(self, after: Cursor = START) -> Iterator[tuple[Cursor, Record | Damage]]:
        """Its records and damage; an unterminated last line is damage once the process is gone."""
        return follow(self.segments, after, final=self.alive() is False)


@dataclass(frozen=True)
class Fact:
    """A record or damage, who wrote it, and whether it counts or was superseded by a later attempt."""

    item: Record | Damage
    header: Header
    cursor: Cursor
    counts: bool


@dataclass(frozen=True)
class Cut:
    """Where an attempt's records stop counting: at checkpoint `id`, taken at `time` (Unix seconds)."""

    id: str
    time: float
    VOID: ClassVar[Cut]


Cut.VOID = Cut("", 0.0)


def find_writers(journal: Path) -> list[Writer]:
    """The writers of a ``journal/`` folder, by attempt, rank 0 first."""
    found = []
    for name, segments in writers(journal).items():
        header = next((item for _, item in follow(segments) if isinstance(item, Header)), None)
        found.append(Writer(name, header or named(name), tuple(segments)))
    return sorted(found, key=lambda writer: (writer.header.attempt, writer.header.rank, writer.header.time))


def named(name: str) -> Header:
    """What the name of a writer's files tells, whose header is damaged for instance."""
    first, _, rest = name.partition("-")
    attempt = int(first) if first.isdecimal() else 0
    word = (rest if attempt else name).partition("-")[0]
    role = word.rstrip("0123456789")
    rank = int(word[len(role) :] or 0)
    return Header(
        time=0.0,
        format=1,
        run="",
        attempt=attempt,
        role=role,
        rank=rank,
        host="",
        boot="",
        pid=0,
        born=0,
        segment=0,
    )


def facts(journal: Path, *, superseded: bool = False) -> Iterator[Fact]:
    """A run's records in the order of its attempts.

    Args:
        journal: the run's ``journal/`` folder.
        superseded: also give what a later attempt made void: the records that its parent attempt wrote after
            the checkpoint it started from, and attempts that nothing goes on from.
    """
    found = find_writers(journal)
    cut_at = cuts(found)
    for writer in found:
        cut = cut_at.get(writer.header.attempt, Cut.VOID) if writer.header.attempt else None
        if cut is None or writer.header.role not in ("train", "child"):
            yield from (Fact(item, writer.header, cursor, True) for cursor, item in writer.read())
        else:
            yield from (fact for fact in until(writer, cut) if fact.counts or superseded)


def until(writer: Writer, cut: Cut) -> Iterator[Fact]:
    """A writer's records and damage; what comes after `cut` does not count."""
    marked = bool(cut.id) and any(
        isinstance(item, Checkpoint) and item.id == cut.id for _, item in writer.read()
    )
    counts = bool(cut.id)
    for cursor, item in writer.read():
        counts = counts and (marked or not late(item, cut))
        yield Fact(item, writer.header, cursor, counts)
        if marked and isinstance(item, Checkpoint) and item.id == cut.id:
            counts = False


def late(item: Record | Damage, cut: Cut) -> bool:
    """Whether its time says that it came after `cut`.

    What a writer begins with came before, whatever its time: the clock was set back then.
    """
    return not isinstance(item, Damage | Header | Started) and getattr(item, "time", 0.0) > cut.time


def cuts(found: list[Writer]) -> Mapping[int, Cut | None]:
    """By attempt where it is cut. An attempt that is not in the chain has no entry: none of it counts."""
    attempts = {writer.header.attempt for writer in found if writer.header.attempt}
    if len(attempts) <= 1:
        return dict.fromkeys(attempts)
    items = ((writer.header.attempt, item) for writer in found for _, item in writer.read())
    return chain(attempts, items)


def chain(
    attempts: Collection[int], items: Iterable[tuple[int, Record | Damage]]
) -> Mapping[int, Cut | None]:
    """`cuts` of attempts, from the items of their writers, each with the number of its attempt."""
    starts: dict[int, Started] = {}
    marks: dict[tuple[int, str], float] = {}
    for attempt, item in items:
        if isinstance(item, Started):
            starts.setdefault(item.attempt, item)
        elif isinstance(item, Checkpoint):
            marks.setdefault((attempt, item.id), item.time)
    attempt = max(starts, default=max(attempts))
    found: dict[int, Cut | None] = {attempt: None}
    while (start := starts.get(attempt)) and start.parent is not None and start.parent not in found:
        cut = start.checkpoint
        # without a checkpoint the attempt adds to its parent, as a test in a later process does
        found[start.parent] = Cut(cut, marks.get((start.parent, cut), start.time)) if cut else None
        attempt = start.parent
    return found
