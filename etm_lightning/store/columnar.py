"""The facts of a run with its measurements in arrays: what `attempts.facts` gives, sooner."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from etm_lightning.attempts import Cut, Writer, chain, late
from etm_lightning.reading import Cursor, Damage
from etm_lightning.records import Checkpoint, Header, Record
from etm_lightning.store.blocks import Rows
from etm_lightning.store.segments import Segments

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from etm_lightning.store.blocks import Floats, Ints

    T = TypeVar("T", bound=np.generic)
    Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Measured:
    """Measurements of a writer: where `kept`, they are facts number `orders` of the run and may count."""

    rows: Rows
    kept: Flags | None
    orders: Ints
    counts: Flags

    def times(self) -> Floats:
        """When, in Unix seconds."""
        return self._kept(self.rows.times)

    def steps(self) -> Ints:
        """At which steps."""
        return self._kept(self.rows.steps)

    def epochs(self) -> Ints:
        """In which epochs; `NO_EPOCH` where there is none."""
        return self._kept(self.rows.epochs)

    def values(self, i: int) -> Floats:
        """What was measured under name number `i`."""
        return self._kept(self.rows.values[i])

    def _kept(self, column: npt.NDArray[T]) -> npt.NDArray[T]:
        return column if self.kept is None else column[self.kept]


@dataclass(frozen=True)
class Other:
    """Fact number `order` of the run, which is none of the measurements."""

    order: int
    cursor: Cursor
    item: Record | Damage
    counts: bool


@dataclass(frozen=True)
class Written:
    """What a writer wrote: `size` facts from number `first` on."""

    header: Header
    first: int
    size: int
    measured: list[Measured]
    others: list[Other]


class _Items:
    """The items of a writer, each record once, by their places among them."""

    def __init__(self, writer: Writer, segments: Segments) -> None:
        import numpy as np

        self.header = writer.header
        self.rows: list[tuple[Rows, Flags | None, Ints]] = []  # with which of them are kept, and their places
        self.others: list[tuple[int, Cursor, Record | Damage]] = []
        blocks = segments.blocks(writer)
        numbers = np.concatenate([np.empty(0, np.int64), *(block.numbers for block in blocks)])
        kept = _first(numbers)
        places = np.cumsum(kept) - 1
        self.size = int(places[-1]) + 1 if len(places) else 0
        begin = 0
        for block in blocks:
            for rows in block.rows:
                keep = kept[begin + rows.at]
                all_kept = bool(keep.all())
                at = places[begin + rows.at]
                self.rows.append((rows, None if all_kept else keep, at if all_kept else at[keep]))
            for other in block.others:
                if kept[begin + other.at]:
                    self.others.append((int(places[begin + other.at]), other.cursor, other.item))
            begin += len(block.numbers)

    def limit(self, cut: Cut) -> int:
        """How many of the items count when the attempt is cut there."""
        if not cut.id:
            return 0
        marks = [at for at, _, item in self.others if isinstance(item, Checkpoint) and item.id == cut.id]
        if marks:
            return marks[0] + 1
        later = [at for at, _, item in self.others if late(item, cut)]
        for rows, keep, places in self.rows:
            behind = (rows.times if keep is None else rows.times[keep]) > cut.time
            if behind.any():
                later.append(int(places[behind].min()))
        return min(later, default=self.size)


def _first(numbers: Ints) -> Flags:
    """Which items are there for the first time; damage, of number -1, always is."""
    import numpy as np

    kept = np.ones(len(numbers), bool)
    at = np.flatnonzero(numbers >= 0)
    known = numbers[at]
    if len(known) > 1 and not bool((known[1:] > known[:-1]).all()):
        kept[at] = False
        kept[at[np.unique(known, return_index=True)[1]]] = True
    return kept


def written(found: list[Writer], segments: Segments) -> Iterator[Written]:
    """What each writer wrote, in the order of `attempts.facts`, superseded records included.

    Raises:
        OSError: if a file cannot be read.
        OverflowError: if a record's number needs more than 64 bits.
    """
    items = [_Items(writer, segments) for writer in found]
    attempts = {one.header.attempt for one in items if one.header.attempt}
    cuts: Mapping[int, Cut | None] = dict.fromkeys(attempts)
    if len(attempts) > 1:
        cuts = chain(attempts, ((one.header.attempt, item) for one in items for _, _, item in one.others))
    first = 0
    for one in items:
        header = one.header
        cut = cuts.get(header.attempt, Cut.VOID) if header.attempt else None
        ends = cut is not None and header.role in ("train", "child")
        limit = one.limit(cut) if ends and cut is not None else one.size
        measured = [Measured(rows, kept, first + at, at < limit) for rows, kept, at in one.rows]
        others = [Other(first + at, cursor, item, at < limit) for at, cursor, item in one.others]
        yield Written(header, first, one.size, measured, others)
        first += one.size
