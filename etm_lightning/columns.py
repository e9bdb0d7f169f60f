"""A finished segment of a journal as columns: the same lines, byte for byte, in a tenth of the room.

``docs/format.md`` is the contract. One row is one record. What every `scalars` record has is in columns, and
each series has one of its own; a record of another kind, or one that does not fit, is kept as its text.
"""

from __future__ import annotations

import io
import itertools
import os
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from etm_lightning.arrow import summed
from etm_lightning.lines import LINE
from etm_lightning.records import Nonfinite, Record, Scalars, decode

FORMAT = 2
"""With `later` for `ticks`; files without it have 1."""
SUFFIX = ".parquet"
TICKS = 1 << 22
"""Times are whole numbers of 2^-22 s: every double from 2004 to 2038 is one."""
ROWS = 1 << 17
_BATCH = 4096
MARK = b"crc:"
FIXED = ("n", "k", "ticks", "s", "e", "shape", "json")
LATER = "later"
WHOLE = 1 << 62
_SMALL = 16 << 20
"""Bytes of a file that is read at once."""
_NONFINITE: dict[str, Nonfinite] = {"nan": "nan", "inf": "inf", "-inf": "-inf"}


class Shape(msgspec.Struct, frozen=True, omit_defaults=True):
    """What `scalars` records with the same values in the same order share: stage, axis and names.

    Stage and axis are None where the record leaves them out.
    """

    names: tuple[str, ...]
    g: str | None = None
    a: str | None = None

    @property
    def stage(self) -> str:
        return self.g or ""

    @property
    def axis(self) -> str:
        return "step" if self.a is None else self.a

    def columns(self) -> list[str]:
        """The column of each value."""
        return [f"{self.stage}|{self.axis}|{name}" for name in self.names]


class Line(msgspec.Struct, frozen=True, gc=False, tag_field="k", tag="scalars"):
    """A `scalars` record with its number, as a line has it behind the checksum."""

    n: int
    t: float
    s: int
    a: str | UnsetType = UNSET
    e: int | UnsetType = UNSET
    g: str | UnsetType = UNSET
    v: dict[str, float] | UnsetType = UNSET
    x: dict[str, Nonfinite] | UnsetType = UNSET


_encode_lines = msgspec.json.Encoder().encode_lines


class About(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the file says about itself under the key `etm`.

    Attributes:
        format: version of the format.
        size: bytes of the segment that it stands for.
        sha256: of these bytes.
        rows: how many records.
        last: number of the last record; -1 if there is none.
        first: the first record as text, without its checksum, if it is kept as such.
        shapes: what the numbers in the column `shape` mean.
        texts: how many `scalars` are kept as text; None in older files.
        begins: the last ticks before each row group, of a file with `later` for `ticks`.
    """

    format: int
    size: int
    sha256: str
    rows: int
    last: int
    first: str
    shapes: tuple[Shape, ...]
    texts: int | None = None
    begins: tuple[int, ...] = ()


class Columnar(NamedTuple):
    """A `scalars` record that fits the columns."""

    n: int
    ticks: int
    step: int
    epoch: int | None
    shape: int
    values: tuple[float, ...]


class Kept(NamedTuple):
    """A record that is kept as text: what its checksum is taken over."""

    n: int
    kind: str
    json: str


def pyarrow() -> tuple[Any, Any]:
    """``pyarrow`` and ``pyarrow.parquet``.

    Raises:
        ImportError: if they are missing, with the cure.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise ImportError("columns of a journal need pyarrow: pip install 'etm-lightning[store]'") from error
    return pa, pq


def _line(row: Columnar, shape: Shape) -> Line:
    """The record as it is written."""
    finite, nonfinite = _parted(row, shape)
    return Line(
        row.n,
        row.ticks / TICKS,
        row.step,
        UNSET if shape.a is None else shape.a,
        UNSET if row.epoch is None else row.epoch,
        UNSET if shape.g is None else shape.g,
        finite or UNSET,
        nonfinite or UNSET,
    )


def _parted(row: Columnar, shape: Shape) -> tuple[dict[str, float], dict[str, Nonfinite]]:
    """The values that are finite, and the others."""
    total = sum(row.values)
    if total - total == 0:  # else one of them is not finite, or their sum
        return dict(zip(shape.names, row.values, strict=True)), {}
    finite: dict[str, float] = {}
    nonfinite: dict[str, Nonfinite] = {}
    for name, value in zip(shape.names, row.values, strict=True):
        if value - value == 0:
            finite[name] = value
        else:
            nonfinite[name] = _NONFINITE[str(value)]
    return finite, nonfinite


def footer(file: BinaryIO) -> tuple[int, bytes, int]:
    """Where the footer begins, the footer, and where in it the checksums are.

    Raises:
        ValueError: if there is none.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 8))
    length = int.from_bytes(file.read(4), "little") + 8
    if length > size:
        raise ValueError("not a segment in columns: it has no footer")
    file.seek(size - length)
    found = file.read()
    mark = found.find(MARK, found.rfind(b"etm.check"))
    if mark < 0:
        raise ValueError("not a segment in columns: it has no checksums")
    return size - length, found, mark + len(MARK)


def groups(metadata: Any) -> list[tuple[int, int]]:
    """Where the row groups of a file lie: offset and size in bytes. Its columns follow one another there."""
    found = []
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        begin, last = _begin(group.column(0)), group.column(group.num_columns - 1)
        found.append((begin, _begin(last) + last.total_compressed_size - begin))
    return found


def _begin(chunk: Any) -> int:
    return int(chunk.dictionary_page_offset or chunk.data_page_offset)


def check(file: BinaryIO, begin: int, size: int) -> int:
    """The checksum of a part of the file."""
    file.seek(begin)
    return zlib.crc32(file.read(size))


class ColumnFile:
    """Reads the columnar form of a segment.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it is damaged, or not one of ours.
        ImportError: without pyarrow.
    """

    def __init__(self, path: Path) -> None:
        pa, pq = pyarrow()
        self.path = path
        self._stream: BinaryIO = path.open("rb")
        whole = self._stream.read() if os.fstat(self._stream.fileno()).st_size <= _SMALL else None
        if whole is not None:  # Arrow reads from memory sooner than through Python
            self._stream.close()
            self._stream = io.BytesIO(whole)
        try:
            _, foot, place = footer(self._stream)
            blank = foot[:place] + b"0" * 8 + foot[place + 8 :]
            if foot[place : place + 8] != b"%08x" % zlib.crc32(blank):
                raise ValueError("the checksum of its footer does not match")
            self._file = pq.ParquetFile(self._stream if whole is None else pa.BufferReader(whole))
            metadata = self._file.metadata
            self.about = msgspec.json.decode(metadata.metadata[b"etm"], type=About)
            if self.about.format > FORMAT:
                raise ValueError(f"it has format {self.about.format}, of a later version")
            self._checks = metadata.metadata[b"etm.check"][len(MARK) + 8 :]
        except (pa.ArrowException, KeyError, msgspec.DecodeError) as error:
            self._stream.close()
            raise ValueError(f"not a segment in columns: {error}") from error
        except ValueError:
            self._stream.close()
            raise
        self._places = groups(metadata)
        self._sound: set[int] = set()
        self.groups = len(self._places)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()
        self._stream.close()

    def __enter__(self) -> ColumnFile:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def sound(self) -> bool:
        """Whether no bit of it has changed."""
        return all(map(self._intact, range(self.groups)))

    def _intact(self, number: int) -> bool:
        if number not in self._sound:
            if b"%08x" % check(self._stream, *self._places[number]) != self._checks[8 * number :][:8]:
                return False
            self._sound.add(number)
        return True

    def size(self, number: int) -> int:
        """How many rows a row group has."""
        return int(self._file.metadata.row_group(number).num_rows)

    def place(self, number: int) -> tuple[int, int]:
        """Where a row group lies in the file: offset and size in bytes."""
        return self._places[number]

    def first(self) -> Kept | None:
        """The first record, which need not be looked for; None if it is in columns."""
        match = LINE.match(b'{"c":"00000000",' + self.about.first[1:].encode())
        return Kept(int(match[3]), match[2].decode(), self.about.first) if match else None

    def numbers(self) -> list[int]:
        """The numbers of the records, in their order."""
        return [n for number in range(self.groups) for n in self.group(number, ["n"])["n"].to_pylist()]

    def after(self, n: int) -> int:
        """The row behind record `n`; if that is not there, behind the one before it.

        Raises:
            ValueError: if the numbers are damaged.
        """
        numbers = self.numbers()
        if n in numbers:
            return numbers.index(n) + 1
        return next((i for i, other in enumerate(numbers) if other > n), len(numbers))

    def group(self, number: int, columns: Sequence[str] | None = None) -> Any:
        """Columns of a row group, all by default, as an Arrow table; `ticks` also where the file has `later`.

        Raises:
            ValueError: if they are damaged.
        """
        if not self._intact(number):
            raise ValueError("the checksum of a row group does not match")
        begins = self.about.begins
        if begins and columns:
            columns = [LATER if name == "ticks" else name for name in columns]
        table = self._file.read_row_group(number, columns=columns, use_threads=False)
        at = table.schema.get_field_index(LATER)
        return table.set_column(at, "ticks", summed(table[LATER], begins[number])) if at >= 0 else table

    def rows(self, number: int) -> Iterator[Columnar | Kept]:
        """The records of a row group.

        Raises:
            ValueError: if it is damaged.
        """
        table = self.group(number).to_pydict()
        which = table["shape"]
        # without columns if all records of a shape are kept as texts
        columns = [[table.get(name, ()) for name in shape.columns()] for shape in self.about.shapes]
        for i, n in enumerate(table["n"]):
            shape = which[i]
            if shape is None:
                yield Kept(n, table["k"][i], table["json"][i])
            else:
                values = tuple([column[i] for column in columns[shape]])
                yield Columnar(n, table["ticks"][i], table["s"][i], table["e"][i], shape, values)

    def record(self, row: Columnar | Kept) -> Record:
        """The record that a row is."""
        if isinstance(row, Kept):
            return decode(row.kind, row.json.encode())
        shape = self.about.shapes[row.shape]
        finite, nonfinite = _parted(row, shape)
        return Scalars(
            time=row.ticks / TICKS,
            step=row.step,
            axis=shape.axis,
            epoch=row.epoch,
            stage=shape.stage,
            values=finite,
            nonfinite=nonfinite,
        )


def lines(path: Path) -> Iterator[bytes]:
    """The lines of the segment that a columnar file stands for, as they were written.

    Raises:
        ValueError: if the file is damaged.
    """
    with ColumnFile(path) as file:
        rows = itertools.chain.from_iterable(map(file.rows, range(file.groups)))
        while batch := list(itertools.islice(rows, _BATCH)):
            measured = [
                _line(row, file.about.shapes[row.shape]) for row in batch if isinstance(row, Columnar)
            ]
            texts = iter(_encode_lines(measured).split(b"\n"))
            for row in batch:
                text = row.json.encode() if isinstance(row, Kept) else next(texts)
                yield b'{"c":"%08x",' % zlib.crc32(text) + text[1:] + b"\n"
