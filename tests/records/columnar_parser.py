"""A second reader of columnar segments, from `docs/format.md` alone: pyarrow, and nothing of the package."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq


def about(path: Path) -> dict[str, Any]:
    """What the file says about itself."""
    found: dict[str, Any] = json.loads(pq.read_metadata(path).metadata[b"etm"])
    return found


def parse(path: Path) -> list[dict[str, Any]]:
    """The records of a columnar segment, as JSON has them."""
    shapes = about(path)["shapes"]
    rows, ticks = pq.read_table(path).to_pylist(), 0
    for row in rows:
        if row.get("later") is not None:
            ticks = row["ticks"] = ticks + row["later"]
    return [
        json.loads(row["json"]) if row["shape"] is None else scalars(row, shapes[row["shape"]])
        for row in rows
    ]


def scalars(row: dict[str, Any], shape: dict[str, Any]) -> dict[str, Any]:
    """A `scalars` record from its row."""
    place = f"{shape.get('g', '')}|{shape.get('a', 'step')}|"
    values = {name: row[place + name] for name in shape["names"]}
    record = {"k": row["k"], "n": row["n"], "t": row["ticks"] / 2**22, "s": row["s"]}
    record |= {field: shape[field] for field in ("a", "g") if field in shape}
    if row["e"] is not None:
        record["e"] = row["e"]
    finite = {name: value for name, value in values.items() if math.isfinite(value)}
    others = {name: str(value) for name, value in values.items() if not math.isfinite(value)}
    return record | ({"v": finite} if finite else {}) | ({"x": others} if others else {})
