"""W&B offline, read by its own messages from its file: LevelDB's log, blocks of 32 KiB after 7 bytes."""

from __future__ import annotations

import importlib
import json
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from etm_lightning.layout import RunFolder
from tests.contracts.case import Case, Curves

BLOCK, HEADER = 32 * 1024, 7
FULL, FIRST, LAST = 1, 2, 4


def records(path: Path) -> Iterator[Any]:
    """The records of a `.wandb` file."""
    messages: Any = importlib.import_module("wandb.proto.wandb_internal_pb2")
    data = path.read_bytes()
    assert data[:4] == b":W&B"
    place, part = HEADER, b""
    while place + HEADER <= len(data):
        left = BLOCK - place % BLOCK
        if left < HEADER:
            place += left
            continue
        checksum, size, kind = struct.unpack("<IHB", data[place : place + HEADER])
        body = data[place + HEADER : place + HEADER + size]
        place += HEADER + size
        assert zlib.crc32(bytes([kind]) + body) == checksum
        part = body if kind in (FULL, FIRST) else part + body
        if kind in (FULL, LAST):
            yield messages.Record.FromString(part)


def file_of(folder: RunFolder) -> Path:
    """The one that W&B has of a run offline."""
    [path] = (folder.path / "wandb").glob("offline-run-*/run-*.wandb")
    return path


def rows(folder: RunFolder) -> list[dict[str, Any]]:
    """The history as W&B has it offline, row by row."""
    found = []
    for record in records(file_of(folder)):
        if record.HasField("history"):
            row = {name(item): json.loads(item.value_json) for item in record.history.item}
            assert row["_step"] == record.history.step.num
            found.append(row)
    assert [row["_step"] for row in found] == list(range(len(found))), "W&B drops steps that go back"
    return found


def name(item: Any) -> str:
    return item.key or ".".join(item.nested_key)


def curves(folder: RunFolder) -> Curves:
    found: dict[str, list[tuple[int, float]]] = {}
    for row in rows(folder):
        for key, value in row.items():
            if "trainer/global_step" in row and isinstance(value, int | float):
                found.setdefault(key, []).append((row["trainer/global_step"], value))
    return found


CASE = Case(name="wandb", read=curves, options=lambda folder: {"mode": "offline"})
