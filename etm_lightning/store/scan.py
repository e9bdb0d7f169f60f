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

from etm_lightning.records import Ended, Header, Record, Scalars, decode
from etm_lightning.store.state import Trace

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
    """One writer: its lines, and by their places the records of those that hold no values; and its life."""

    lines: list[bytes]
    records: dict[int, Record]
    trace: Trace

    @property
    def told(self) -> Ended | None:
        """The end, if it tells what the values come to; then they need not be looked at."""
        ended = self.trace.ended
        return ended if ended and ended.summary and ended.summary.keys() == ended.stages.keys() else None

    def all(self) -> Iterator[Record]:
        """The records in their order, those of values too.

        Raises:
            NotPlainError: if a line of values is none.
        """
        for place, line in enumerate(self.lines):
            yield self.records[place] if place in self.records else _values(line)


def scan(paths: Iterable[Path], *, final: bool) -> Scanned:
    """Read a writer's segments.

    Args:
        paths: the segments in their order.
        final: the writer is dead: an unterminated last line is damage.

    Raises:
        NotPlainError: if there is damage, or a line that came twice.
        OSError: if a file cannot be read.
    """
    lines: list[bytes] = []
    several = list(paths)
    for path in several:
        found = path.read_bytes().split(b"\n")
        if found.pop() and (final or path is not several[-1]):
            raise NotPlainError(f"{path} ends within a line")
        lines += found
    others = [place for place, line in enumerate(lines) if line[_KIND:_END] != _SCALARS]
    seen: set[int] = set()
    records = {place: _decoded(lines[place], seen) for place in others}
    scanned = Scanned(lines, records, _trace(lines, records))
    if scanned.told is None:
        _check(lines)
    return scanned


def _check(lines: list[bytes]) -> None:
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
