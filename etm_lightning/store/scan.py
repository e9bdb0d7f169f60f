"""The facts of one writer's files but its values, at the speed of the disk.

Lines of values are left as bytes, and checked only where the end does not tell what they come to; what is not
plain is read the long way.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from etm_lightning.columns import SUFFIX, TICKS, ColumnFile, Kept
from etm_lightning.records import Ended, Header, Record, Scalars, decode
from etm_lightning.store.state import Trace

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_BRACE = zlib.crc32(b"{")
_KIND = len(b'{"c":"00000000","k":"')
_SCALARS = b'scalars"'
_END = _KIND + len(_SCALARS)
_NUMBER = re.compile(rb'"n":(\d+)[,}]')
_TIME = re.compile(rb'"t":([-+.\deE]+)')


class NotPlainError(Exception):
    """The files are not as an undisturbed writer leaves them: read them the long way."""


@dataclass(frozen=True)
class Scanned:
    """One writer: its lines, and by their places the records of those that hold no values; and its life.

    Where a segment is in columns two records without values stand for a stretch of values: not `complete`.
    """

    lines: list[bytes]
    records: dict[int, Record]
    trace: Trace
    complete: bool = True

    @property
    def told(self) -> Ended | None:
        """The end, if it tells what the values come to; then they need not be looked at."""
        ended = self.trace.ended
        return ended if ended and ended.summary and ended.summary.keys() == ended.stages.keys() else None

    def all(self) -> Iterator[Record]:
        """The records in their order, those of values too.

        Raises:
            NotPlainError: if a line of values is none, or they were not read.
        """
        if not self.complete:
            raise NotPlainError("it needs values that were not read")
        for place, line in enumerate(self.lines):
            yield self.records[place] if place in self.records else _values(line)


def scan(paths: Iterable[Path]) -> Scanned:
    """Read a writer's segments, given in their order.

    Raises:
        NotPlainError: if there is damage, such as the unterminated last line of a dead writer, or a line that
            came twice.
        OSError: if a file cannot be read.
    """
    lines: list[bytes] = []
    records: dict[int, Record] = {}
    seen: set[int] = set()
    several, torn = list(paths), False
    for path in several:
        if path.suffix == SUFFIX:
            found = _of_columns(path, seen)
            records.update(enumerate(found, len(lines)))
            lines += [b""] * len(found)
            continue
        more = path.read_bytes().split(b"\n")
        torn = bool(more.pop()) or torn
        others = [place for place, line in enumerate(more) if line[_KIND:_END] != _SCALARS]
        records.update((place + len(lines), _decoded(more[place], seen)) for place in others)
        lines += more
    complete = all(path.suffix != SUFFIX for path in several)
    scanned = Scanned(lines, records, _trace(lines, records), complete)
    if torn and (len(several) > 1 or scanned.trace.seen() is False):
        raise NotPlainError("a segment ends within a line")
    if scanned.told is None:
        _check(line for line in lines if line)
    return scanned


def _of_columns(path: Path, seen: set[int]) -> list[Record]:
    import numpy as np

    from etm_lightning.arrow import known, plain

    items: list[Record] = []
    with ColumnFile(path) as file:
        for number in range(file.groups):
            table = file.group(number, ["n", "k", "ticks", "shape", "json"])
            numbers, measured = plain(table["n"]), known(table["shape"])
            times = np.where(measured, plain(table["ticks"]) / TICKS, np.nan)
            begin = 0
            for at in np.flatnonzero(~measured).tolist():
                n, kind, text = int(numbers[at]), table["k"][at].as_py(), table["json"][at].as_py()
                if n in seen:
                    raise NotPlainError("a record twice")
                seen.add(n)
                items += _ends(times[begin:at])
                items.append(file.record(Kept(n, kind, text)))
                begin = at + 1
            items += _ends(times[begin:])
    return items


def _ends(times: npt.NDArray[np.float64]) -> list[Record]:
    """Two records for a stretch of values, of its earliest and its latest time."""
    if not len(times):
        return []
    known = times[times != 0]
    return [
        Scalars(time=float(known.min(initial=times.max())), step=0),
        Scalars(time=float(times.max()), step=0),
    ]


def _check(lines: Iterable[bytes]) -> None:
    crc32, brace = zlib.crc32, _BRACE  # millions of lines
    if any(line[6:14] != b"%08x" % crc32(line[16:], brace) for line in lines):
        raise NotPlainError("damaged")


def _decoded(line: bytes, seen: set[int]) -> Record:
    whole = line[:6] == b'{"c":"' and line[14:_KIND] == b'","k":"'
    if not whole or line[6:14] != b"%08x" % zlib.crc32(line[16:], _BRACE):
        raise NotPlainError("damaged")
    kind = line[_KIND : line.index(b'"', _KIND)].decode()
    number = _NUMBER.search(line)
    if number is None or int(number[1]) in seen:
        raise NotPlainError("a record twice")
    seen.add(int(number[1]))
    try:
        return decode(kind, line)
    except (ValueError, RecursionError) as error:
        raise NotPlainError(str(error)) from error


def _trace(lines: list[bytes], records: dict[int, Record]) -> Trace:
    """As `Trace.take` makes it of every record; of a stretch of values only the ends are looked at."""
    header = next((item for item in records.values() if isinstance(item, Header)), None)
    if header is None:
        raise NotPlainError("no header")
    trace, before = Trace(header), -1
    for place in (*records, len(lines)):
        for value in dict.fromkeys((before + 1, place - 1) if place - before > 1 else ()):
            trace.take(value, Scalars(time=_time(lines[value]), step=0))
        if place < len(lines):
            trace.take(place, records[place])
        before = place
    return trace


def _time(line: bytes) -> float:
    found = _TIME.search(line)
    if found is None:
        raise NotPlainError("no time")
    return float(found[1])


def _values(line: bytes) -> Scalars:
    try:
        record = decode("scalars", line)
    except (ValueError, RecursionError) as error:
        raise NotPlainError(str(error)) from error
    if not isinstance(record, Scalars):
        raise NotPlainError("not values")
    return record
