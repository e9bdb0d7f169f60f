"""The facts of one writer's files but its values, at the speed of the disk.

Lines of values are checked and left as bytes; only what is not plain is read the long way.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from etm_lightning.columns import SUFFIX
from etm_lightning.records import Header, Record, Scalars, decode
from etm_lightning.store.state import Trace

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_BRACE = zlib.crc32(b"{")
_CHECKED = len(b'{"c":"00000000",')
_KIND = _CHECKED + len(b'"k":"')
_SCALARS = b'scalars"'
_NUMBER = re.compile(rb'"n":(\d+)[,}]')
_TIME = re.compile(rb'"t":([-+.\deE]+)')


class NotPlainError(Exception):
    """The files are not as an undisturbed writer leaves them: read them the long way."""


@dataclass(frozen=True)
class Scanned:
    """One writer: what its records say about its life, and the records, those of values as their lines.

    Where a segment is in columns two records without values stand for a stretch of values: not `complete`.
    """

    trace: Trace
    items: list[Record | bytes]
    complete: bool = True


def scan(paths: Iterable[Path], *, final: bool) -> Scanned:
    """Read a writer's segments.

    Args:
        paths: the segments in their order.
        final: the writer is dead: an unterminated last line is damage.

    Raises:
        NotPlainError: if there is damage, or a line that came twice.
        OSError: if a file cannot be read.
    """
    items: list[Record | bytes] = []
    seen: set[int] = set()
    several = list(paths)
    for path in several:
        if path.suffix == SUFFIX:
            items += _of_columns(path, seen)
            continue
        lines = path.read_bytes().split(b"\n")
        if lines.pop() and (final or path is not several[-1]):
            raise NotPlainError(f"{path} ends within a line")
        for line in lines:
            _check(line)
            if line[_KIND : _KIND + 8] == _SCALARS:
                items.append(line)
            else:
                items.append(_decoded(line, seen))
    header = next((item for item in items if isinstance(item, Header)), None)
    if header is None:
        raise NotPlainError("no header")
    return Scanned(_trace(header, items), items, all(path.suffix != SUFFIX for path in several))


def _of_columns(path: Path, seen: set[int]) -> list[Record | bytes]:
    import numpy as np

    from etm_lightning.store.column_blocks import read_columns

    items: list[Record | bytes] = []
    for block in read_columns(path):
        if not block.plain or not seen.isdisjoint(other.cursor.n for other in block.others):
            raise NotPlainError("damaged, or a record twice")
        seen.update(other.cursor.n for other in block.others)
        times = np.full(len(block.numbers), np.nan)
        for rows in block.rows:
            times[rows.at] = rows.times
        begin = 0
        for other in block.others:
            items += _ends(times[begin : other.at])
            items.append(cast(Record, other.item))
            begin = other.at + 1
        items += _ends(times[begin:])
    return items


def _ends(times: npt.NDArray[np.float64]) -> list[Record | bytes]:
    """Two records for a stretch of values, of its earliest and its latest time."""
    if not len(times):
        return []
    known = times[times != 0]
    return [
        Scalars(time=float(known.min(initial=times.max())), step=0),
        Scalars(time=float(times.max()), step=0),
    ]


def _check(line: bytes) -> None:
    whole = line[:6] == b'{"c":"' and line[14:_KIND] == b'","k":"'
    if not whole or line[6:14] != b"%08x" % zlib.crc32(line[_CHECKED:], _BRACE):
        raise NotPlainError("damaged")


def _decoded(line: bytes, seen: set[int]) -> Record:
    kind = line[_KIND : line.index(b'"', _KIND)].decode()
    number = _NUMBER.search(line)
    if number is None or int(number[1]) in seen:
        raise NotPlainError("a record twice")
    seen.add(int(number[1]))
    try:
        return decode(kind, line)
    except (ValueError, RecursionError) as error:
        raise NotPlainError(str(error)) from error


def _trace(header: Header, items: list[Record | bytes]) -> Trace:
    """As `Trace.take` makes it of every record; of a stretch of values only the ends are looked at."""
    trace = Trace(header)
    for i, item in enumerate(items):
        if not isinstance(item, bytes):
            trace.take(i, item)
        elif (
            i + 1 == len(items) or not isinstance(items[i + 1], bytes) or not isinstance(items[i - 1], bytes)
        ):
            trace.take(i, Scalars(time=_time(item), step=0))
    return trace


def _time(line: bytes) -> float:
    found = _TIME.search(line)
    if found is None:
        raise NotPlainError("no time")
    return float(found[1])


def values(line: bytes) -> Scalars:
    """The record of a line of values.

    Raises:
        NotPlainError: if it is none.
    """
    try:
        record = decode("scalars", line)
    except (ValueError, RecursionError) as error:
        raise NotPlainError(str(error)) from error
    if not isinstance(record, Scalars):
        raise NotPlainError("not values")
    return record
