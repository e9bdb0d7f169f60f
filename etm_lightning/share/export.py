"""The points of runs in files that other programs read: CSV, JSON lines, Parquet."""

from __future__ import annotations

import csv
import json
import math
import os
import secrets
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

from etm_lightning.store.blocks import NO_EPOCH
from etm_lightning.store.run import StoredRun

FIELDS = ("project", "run", "name", "stage", "axis", "rank", "step", "epoch", "time", "value")
FORMATS = ("csv", "jsonl", "parquet")
Row = tuple[str, str, str, str, str, int, int, int | None, float, float]


def export(runs: Iterable[StoredRun], path: Path, *, format: str = "") -> int:
    """Write the points of all series and ranks that count, one row each, and return how many.

    The file appears when it is whole. Floats keep every bit; NaN and infinities are `nan`, `inf`, `-inf` (in
    JSON lines as strings).

    Args:
        runs: the runs.
        path: the file.
        format: ``csv``, ``jsonl`` or ``parquet``; by default what the name ends with.

    Raises:
        ValueError: if the format is none of these.
        ImportError: for Parquet without pyarrow.
        OSError: if the file cannot be written.
    """
    kind = format_of(path, format)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        if kind == "parquet":
            count = write_parquet(runs, temporary)
        else:
            with temporary.open("w", encoding="utf-8", newline="") as file:
                count = write(runs, file, kind)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return count


def format_of(path: Path, format: str = "") -> str:
    """The format asked for, else the one that the name of the file ends with.

    Raises:
        ValueError: if it is none of `FORMATS`.
    """
    kind = format or path.suffix.removeprefix(".").lower()
    if kind not in FORMATS:
        what = f"`format` must be {', '.join(FORMATS)} but got {kind!r}"
        raise ValueError(what if format else f"{what}. Name the file so, or give a format.")
    return kind


def write(runs: Iterable[StoredRun], file: TextIO, format: str) -> int:
    """Write rows as ``csv`` or ``jsonl`` to an open text file, and return how many."""
    count = 0
    table = csv.writer(file, lineterminator="\n")
    if format == "csv":
        table.writerow(FIELDS)
    for row in rows(runs):
        if format == "csv":
            table.writerow(row)
        else:
            file.write(_line(row) + "\n")
        count += 1
    return count


def rows(runs: Iterable[StoredRun]) -> Iterator[Row]:
    """One row per point, in the order of `FIELDS`."""
    for run in runs:
        for series in run.all_series(rank=None):
            for point in series.points():
                yield (
                    run.project,
                    run.id,
                    *series.key,
                    point.step,
                    point.epoch,
                    point.time,
                    point.value,
                )


def _line(row: Row) -> str:
    fields: dict[str, Any] = dict(zip(FIELDS, row, strict=True))
    if not math.isfinite(row[-1]):
        fields["value"] = str(row[-1])
    return json.dumps(fields, ensure_ascii=False)


def write_parquet(runs: Iterable[StoredRun], path: Path) -> int:
    """Write rows as Parquet, a row group or more for each run, and return how many.

    Raises:
        ImportError: without pyarrow.
    """
    try:
        import pyarrow as pa
        import pyarrow.compute
        import pyarrow.parquet as pq
    except ImportError as error:
        raise ImportError("Parquet needs pyarrow: pip install 'etm-lightning[store]'") from error
    word = pa.dictionary(pa.int32(), pa.string())
    types = [word] * 5 + [pa.int32(), pa.int64(), pa.int64(), pa.float64(), pa.float64()]
    schema = pa.schema(list(zip(FIELDS, types, strict=True)))
    count = 0
    with pq.ParquetWriter(path, schema) as file:
        for run in runs:
            table = _arrow(pa, run, schema)
            file.write_table(table)
            count += table.num_rows
    return count


def _arrow(pa: Any, run: StoredRun, schema: Any) -> Any:
    """A run's points as an Arrow table, its columns copied whole."""
    codes = array("i")
    numbers: dict[str, array[Any]] = {
        name: array("q" if name in ("step", "epoch") else "d") for name in FIELDS[6:]
    }
    found = run.all_series(rank=None)
    for code, series in enumerate(found):
        for name, column in series.columns().items():
            numbers[name].extend(column)
        codes.extend(array("i", [code]) * (len(numbers["value"]) - len(codes)))

    def packed(values: array[Any], kind: Any) -> Any:
        return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(values)])

    which = packed(codes, pa.int32())

    def words(values: list[str]) -> Any:
        return pa.DictionaryArray.from_arrays(which, pa.array(values, pa.string()))

    keys = [series.key for series in found]
    columns = [
        words([run.project] * len(keys)),
        words([run.id] * len(keys)),
        *(words([str(getattr(key, field)) for key in keys]) for field in ("name", "stage", "axis")),
        pa.array([key.rank for key in keys], pa.int32()).take(which),
        *(packed(values, schema.field(name).type) for name, values in numbers.items()),
    ]
    epoch = columns[FIELDS.index("epoch")]
    known = pa.compute.not_equal(epoch, NO_EPOCH)
    columns[FIELDS.index("epoch")] = pa.compute.if_else(known, epoch, pa.scalar(None, pa.int64()))
    return pa.Table.from_arrays(columns, schema=schema)
