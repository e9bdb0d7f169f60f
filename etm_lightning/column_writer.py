"""Rows of a segment as a Parquet file of columns; ``docs/format.md`` is the contract."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from etm_lightning.columns import (
    FIXED,
    FORMAT,
    LATER,
    MARK,
    ROWS,
    About,
    Columnar,
    Kept,
    Shape,
    check,
    footer,
    groups,
    pyarrow,
)

MANY = 1 << 13
"""Rows from which on times are differences and every column is compressed. Below that saves little, and each
of these columns has to be read for a series."""
_LEVEL = 16
"""Of Zstandard. Below 13 it looks for repetitions where there are none: a fifth of a byte a value more."""
_CELLS = 1 << 27


class RefusedError(ValueError):
    """A segment that stays as it is, and why."""


def write_rows(
    rows: Sequence[Columnar | Kept], shapes: Iterable[Shape], segment: bytes, target: Path
) -> None:
    """Write the columnar form of a segment.

    Args:
        rows: its records.
        shapes: those that the rows name by their places.
        segment: its lines.
        target: the file to make; not synced, and left there when this raises.

    Raises:
        RefusedError: if it has too many series for its rows.
        ImportError: without pyarrow.
        OSError: if the file cannot be written.
    """
    pa, pq = pyarrow()
    about = _about(segment, rows, shapes)
    fixed = dict(_fixed(pa, rows, differences=bool(about.begins)))
    series = _series(pa, rows, about.shapes)
    arrays = fixed | series
    schema = pa.schema(
        [pa.field(name, column.type, nullable=name not in ("n", "k")) for name, column in arrays.items()]
    )
    deltas = dict.fromkeys(("n", "ticks", "s", "e"), "DELTA_BINARY_PACKED")
    split = dict.fromkeys([LATER, *series], "BYTE_STREAM_SPLIT")
    packed = list(arrays) if about.begins else ["json", *series]
    with pq.ParquetWriter(
        target,
        schema,
        compression={name: "zstd" if name in packed else "none" for name in arrays},
        compression_level=dict.fromkeys(packed, _LEVEL),
        use_dictionary=["k", "shape"],
        column_encoding={**deltas, **split, "json": "PLAIN"},
        store_schema=False,
    ) as file:
        file.write_table(pa.Table.from_arrays(list(arrays.values()), schema=schema), row_group_size=ROWS)
        zeros = "0" * 8 * (1 + -(-len(rows) // ROWS))
        file.add_key_value_metadata(
            {"etm": msgspec.json.encode(about).decode(), "etm.check": MARK.decode() + zeros}
        )
    _seal(target)


def _about(segment: bytes, rows: Sequence[Columnar | Kept], shapes: Iterable[Shape]) -> About:
    begins = _begins(rows) if len(rows) >= MANY else ()
    return About(
        format=FORMAT if begins else 1,
        size=len(segment),
        sha256=hashlib.sha256(segment).hexdigest(),
        rows=len(rows),
        last=rows[-1].n if rows else -1,
        first=rows[0].json if rows and isinstance(rows[0], Kept) else "",
        shapes=tuple(shapes),
        texts=sum(isinstance(row, Kept) and row.kind == "scalars" for row in rows),
        begins=begins,
    )


def _begins(rows: Sequence[Columnar | Kept]) -> tuple[int, ...]:
    """The last ticks before each row group; 0 where there are none."""
    found, before = [], 0
    for i, row in enumerate(rows):
        if i % ROWS == 0:
            found.append(before)
        if isinstance(row, Columnar):
            before = row.ticks
    return tuple(found)


def _seal(path: Path) -> None:
    """Put the checksums into the file: of its footer first, then of each row group."""
    with path.open("r+b") as file:
        start, foot, place = footer(file)
        places = groups(pyarrow()[1].read_metadata(path))
        checks = b"".join(b"%08x" % check(file, *group) for group in places)
        sealed = foot[: place + 8] + checks + foot[place + 8 + len(checks) :]
        file.seek(start)
        file.write(sealed[:place] + b"%08x" % zlib.crc32(sealed) + sealed[place + 8 :])


def _fixed(pa: Any, rows: Sequence[Columnar | Kept], *, differences: bool) -> Iterator[tuple[str, Any]]:
    """The columns that every file has, with differences of ticks if wanted."""
    of_scalars = {"ticks": "ticks", "s": "step", "e": "epoch", "shape": "shape"}
    for name in FIXED:
        if name in of_scalars:
            column = [getattr(row, of_scalars[name], None) for row in rows]
            if name == "ticks" and differences:
                name, column = LATER, [*_later(column)]
            yield name, pa.array(column, pa.int32() if name == "shape" else pa.int64())
        elif name == "n":
            yield name, pa.array([row.n for row in rows], pa.int64())
        elif name == "k":
            kinds = [row.kind if isinstance(row, Kept) else "scalars" for row in rows]
            yield name, pa.array(kinds, pa.string())
        else:
            texts = [row.json if isinstance(row, Kept) else None for row in rows]
            yield name, pa.array(texts, pa.string())


def _later(ticks: Iterable[int | None]) -> Iterator[int | None]:
    """By how much each is more than the one before it that is there, the first than 0."""
    before = 0
    for tick in ticks:
        yield None if tick is None else tick - before
        before = before if tick is None else tick


def _series(pa: Any, rows: Sequence[Columnar | Kept], shapes: Sequence[Shape]) -> dict[str, Any]:
    """A column for each series: as float32 where that loses nothing, else as float64."""
    import numpy as np

    at: list[list[int]] = [[] for _ in shapes]
    values: list[list[tuple[float, ...]]] = [[] for _ in shapes]
    for i, row in enumerate(rows):
        if isinstance(row, Columnar):
            at[row.shape].append(i)
            values[row.shape].append(row.values)
    names = {name for shape in shapes for name in shape.columns()}
    if len(names) * len(rows) > _CELLS:
        raise RefusedError(f"{len(names)} series in {len(rows)} records are too sparse for columns")
    found: dict[str, tuple[Any, Any]] = {}
    for number, shape in enumerate(shapes):
        if not at[number]:  # its records are kept as texts after all
            continue
        places, table = np.array(at[number]), np.array(values[number], float)
        for i, name in enumerate(shape.columns()):
            if name not in found:
                found[name] = np.zeros(len(rows)), np.ones(len(rows), bool)
            found[name][0][places], found[name][1][places] = table[:, i], False
    return {name: _packed(pa, np, *column) for name, column in found.items()}


def _packed(pa: Any, np: Any, values: Any, missing: Any) -> Any:
    with np.errstate(over="ignore"):
        short = values.astype(np.float32)
    exact = bool(((short == values) | np.isnan(values)).all())
    return pa.array(short if exact else values, mask=missing, from_pandas=False)
