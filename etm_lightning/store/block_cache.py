"""Blocks of a segment in the run's ``cache/``: derived, checked against the segment, safe to delete."""

from __future__ import annotations

import contextlib
import os
import secrets
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from etm_lightning.lines import unseal
from etm_lightning.reading import Cursor, segment_name
from etm_lightning.store.blocks import Block, Other, Rows, Segment

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

VERSION = 1


class _Rows(msgspec.Struct, array_like=True):
    stage: str
    axis: str
    names: tuple[str, ...]
    at: memoryview
    times: memoryview
    steps: memoryview
    epochs: memoryview
    values: memoryview


class _Block(msgspec.Struct, array_like=True):
    numbers: memoryview
    rows: list[_Rows]
    others: list[tuple[int, memoryview]]


class _File(msgspec.Struct, array_like=True):
    version: int
    end: int
    crc: int
    stamp: tuple[int, int, int]
    blocks: list[_Block]


def _place(folder: Path, segment: Path) -> Path:
    return folder / f"{segment.stem}.blocks"


def save(folder: Path, path: Path, segment: Segment) -> None:
    """Keep the blocks of a segment, if all of them are plain and the folder can be written."""
    if not all(block.plain for block in segment.blocks):
        return
    blocks = [_packed(block) for block in segment.blocks]
    body = msgspec.msgpack.encode(_File(VERSION, segment.end, segment.crc, segment.stamp, blocks))
    target = _place(folder, path)
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    with contextlib.suppress(OSError):  # a store that may only be read, or is full
        folder.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_bytes(zlib.crc32(body).to_bytes(4, "big") + body)
            os.replace(temporary, target)
            segment.cached = segment.end
        finally:
            temporary.unlink(missing_ok=True)


def load(folder: Path, path: Path) -> Segment | None:
    """The blocks of a segment; None if none are kept, or they are damaged."""
    try:
        content = memoryview(_place(folder, path).read_bytes())
        if zlib.crc32(content[4:]) != int.from_bytes(content[:4], "big"):
            return None
        found = msgspec.msgpack.decode(content[4:], type=_File)
        if found.version != VERSION:
            return None
        blocks = [_unpacked(block, segment_name(path)) for block in found.blocks]
    except (OSError, ValueError):
        return None
    return Segment(blocks, found.end, found.crc, stamp=found.stamp, cached=found.end)


def _packed(block: Block) -> _Block:
    import numpy as np

    def raw(values: npt.NDArray[np.generic]) -> memoryview:
        return memoryview(values.tobytes())

    rows = []
    for one in block.rows:
        table = np.stack([one.values[i] for i in range(len(one.names))]) if one.names else np.empty(0)
        arrays = (raw(part) for part in (one.at, one.times, one.steps, one.epochs, table))
        rows.append(_Rows(one.stage, one.axis, one.names, *arrays))
    return _Block(raw(block.numbers), rows, [(other.at, memoryview(other.line)) for other in block.others])


def _unpacked(block: _Block, name: str) -> Block:
    import numpy as np

    rows = []
    for one in block.rows:
        at, steps, epochs = (np.frombuffer(part, np.int64) for part in (one.at, one.steps, one.epochs))
        table = np.frombuffer(one.values, float).reshape(len(one.names), len(at))
        times = np.frombuffer(one.times, float)
        rows.append(Rows(one.stage, one.axis, one.names, at, times, steps, epochs, table))
    others = []
    for at_item, line in block.others:
        found = unseal(bytes(line))
        if isinstance(found, str):
            raise ValueError(found)
        others.append(Other(at_item, Cursor(name, found[0]), found[1], bytes(line)))
    return Block(np.frombuffer(block.numbers, np.int64), rows, others)
