"""Exports, read back by other readers."""

from __future__ import annotations

import csv
import io
import json
import math
import struct
import sys
from pathlib import Path

import pytest

from etm_lightning.share.export import FIELDS, export, rows, write
from etm_lightning.store.run import StoredRun
from etm_lightning.store.store import Store
from tests.store.building import Training

VALUES = [0.1 + 0.2, math.nan, math.inf, -math.inf, 5e-324, -0.0, 1.7976931348623157e308, 1 / 3]


def bits(value: float) -> bytes:
    return struct.pack("<d", math.nan if math.isnan(value) else value)


@pytest.fixture
def runs(tmp_path: Path) -> list[StoredRun]:
    for id in ("a", 'b,"\nü'):
        training = Training(tmp_path / "store", id, project="p/x").start()
        for step, value in enumerate(VALUES):
            training.log(step, {"m,1": value}, "validate", epoch=None if step % 2 else step)
        training.journal = training.open(rank=1)
        training.log(2**50, {"m,1": 1.0})
    return Store(tmp_path / "store").runs()


def expected(runs: list[StoredRun]) -> list[tuple[object, ...]]:
    return [(*row[:-2], bits(row[-2]), bits(row[-1])) for row in rows(runs)]


def test_csv_keeps_every_bit(runs: list[StoredRun], tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    assert export(runs, path) == 18
    with path.open(newline="", encoding="utf-8") as file:
        read = list(csv.DictReader(file))
    found = [
        (
            *(row[name] for name in FIELDS[:5]),
            int(row["rank"]),
            int(row["step"]),
            int(row["epoch"]) if row["epoch"] else None,
            bits(float(row["time"])),
            bits(float(row["value"])),
        )
        for row in read
    ]
    assert found == expected(runs)


def test_json_lines_keep_every_bit(runs: list[StoredRun], tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    assert export(runs, path) == 18

    def refuse(text: str) -> float:
        raise AssertionError(f"{text} is not JSON")

    read = [json.loads(line, parse_constant=refuse) for line in path.read_text("utf-8").splitlines()]
    found = [(*list(row.values())[:-2], bits(row["time"]), bits(float(row["value"]))) for row in read]
    assert [tuple(row) for row in read[:1]] == [FIELDS]
    assert found == expected(runs)


def test_parquet_keeps_every_bit(runs: list[StoredRun], tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    path = tmp_path / "x.parquet"
    assert export(runs, path) == 18
    read = pq.read_table(path).to_pylist()
    found = [(*list(row.values())[:-2], bits(row["time"]), bits(row["value"])) for row in read]
    assert found == expected(runs)


def test_runs_without_points_make_a_table_without_rows(tmp_path: Path) -> None:
    Training(tmp_path, "a").start()
    for name in ("x.csv", "x.jsonl", "x.parquet"):
        assert export(Store(tmp_path).runs(), tmp_path / name) == 0
        assert export([], tmp_path / name) == 0
    assert (tmp_path / "x.csv").read_text() == ",".join(FIELDS) + "\n"


def test_an_open_stream_gets_rows(runs: list[StoredRun]) -> None:
    stream = io.StringIO()
    assert write(runs, stream, "csv") == 18
    assert len(list(csv.reader(io.StringIO(stream.getvalue())))) == 19


def test_another_format_is_refused(runs: list[StoredRun], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="`format` must be csv, jsonl, parquet but got 'xlsx'"):
        export(runs, tmp_path / "x.xlsx")
    assert export(runs, tmp_path / "x.xlsx", format="csv") == 18


def test_a_failed_export_leaves_nothing(runs: list[StoredRun], tmp_path: Path) -> None:
    (tmp_path / "x.csv").mkdir()
    with pytest.raises(OSError):
        export(runs, tmp_path / "x.csv")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["store", "x.csv"]


def test_parquet_without_pyarrow_names_the_extra(
    runs: list[StoredRun], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ImportError, match=r"etm-lightning\[store\]"):
        export(runs, tmp_path / "x.parquet")


def test_the_folder_of_an_export_is_made(runs: list[StoredRun], tmp_path: Path) -> None:
    assert export(runs, tmp_path / "new" / "x.csv") == 18
    assert (tmp_path / "new" / "x.csv").exists()
