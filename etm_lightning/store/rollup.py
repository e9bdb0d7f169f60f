"""The whole view of a big series in the run's ``cache/``: shown before the run's files are read."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from etm_lightning.layout import RunFolder
from etm_lightning.reading import writers

if TYPE_CHECKING:
    from etm_lightning.store.zoom import Zoomed

VERSION = 1
WORTH = 1 << 18
"""Points of a series."""
POINTS = 1 << 15
"""Extremes that are kept; a view has a tenth of them at most."""

Stamps = tuple[tuple[str, int, int, int], ...]


class Request(msgspec.Struct, frozen=True, array_like=True):
    """Which series, and over what."""

    name: str
    stage: str | None
    axis: str | None
    rank: int
    superseded: bool
    x: str


class _File(msgspec.Struct, array_like=True):
    version: int
    request: Request
    stamps: Stamps
    total: int
    span: tuple[float, float]
    x: memoryview
    y: memoryview
    step: memoryview


def stamps(folder: RunFolder) -> Stamps:
    """What changes when the journal does: the names, sizes, times and inodes of its segments."""
    found = []
    for path in (path for paths in writers(folder.journal).values() for path in paths):
        try:
            now = path.stat()
        except OSError:  # it is being replaced: these stamps fit nothing
            return (("", 0, 0, secrets.randbits(62)),)
        found.append((path.name, now.st_size, now.st_mtime_ns, now.st_ino))
    return tuple(found)


def load(folder: RunFolder, request: Request) -> Zoomed | None:
    """What was kept for a request, if the journal has not changed since."""
    import numpy as np

    from etm_lightning.store.zoom import Zoomed

    try:
        content = memoryview(_place(folder, request).read_bytes())
        if zlib.crc32(content[4:]) != int.from_bytes(content[:4], "big"):
            return None
        found = msgspec.msgpack.decode(content[4:], type=_File)
    except (OSError, ValueError):
        return None
    if (found.version, found.request, found.stamps) != (VERSION, request, stamps(folder)):
        return None
    x, y = np.frombuffer(found.x), np.frombuffer(found.y)
    return Zoomed(x, y, np.frombuffer(found.step, np.int64), found.total, complete=False, span=found.span)


def save(folder: RunFolder, request: Request, known: Stamps, whole: Zoomed) -> None:
    """Keep the extremes of a series, as the journal with the stamps `known` has them."""
    if whole.span is None:
        return
    arrays = (memoryview(column.tobytes()) for column in (whole.x, whole.y, whole.step))
    body = msgspec.msgpack.encode(_File(VERSION, request, known, whole.total, whole.span, *arrays))
    target = _place(folder, request)
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    with contextlib.suppress(OSError):  # a store that may only be read, or is full
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_bytes(zlib.crc32(body).to_bytes(4, "big") + body)
            os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)


def _place(folder: RunFolder, request: Request) -> Path:
    digest = hashlib.sha256(msgspec.msgpack.encode(request)).hexdigest()
    return folder.cache / "zoom" / f"{digest[:32]}.rollup"
