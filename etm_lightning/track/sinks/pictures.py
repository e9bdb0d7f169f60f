"""Pictures without a library: how large one is, and how to draw a small one."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

CELL = 24
PALE, DEEP = (247, 251, 255), (8, 48, 107)


def size(picture: bytes) -> tuple[int, int]:
    """Width and height in pixels of a PNG, JPEG or GIF.

    Raises:
        ValueError: if it is none.
    """
    if picture.startswith(b"\x89PNG\r\n\x1a\n") and len(picture) >= 24:
        return struct.unpack(">II", picture[16:24])
    if picture.startswith((b"GIF87a", b"GIF89a")) and len(picture) >= 10:
        return struct.unpack("<HH", picture[6:10])
    if picture.startswith(b"\xff\xd8"):
        return _jpeg_size(picture)
    raise ValueError(f"a picture must be PNG, JPEG or GIF but begins with {picture[:8]!r}")


def _jpeg_size(picture: bytes) -> tuple[int, int]:
    at = 2
    while at + 9 <= len(picture):
        if picture[at] != 0xFF:
            break
        marker = picture[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # a frame begins
            height, width = struct.unpack(">HH", picture[at + 5 : at + 9])
            return width, height
        alone = marker == 0xFF or marker == 0x01 or 0xD0 <= marker <= 0xD8
        at += 1 if marker == 0xFF else 2 if alone else 2 + int.from_bytes(picture[at + 2 : at + 4])
    raise ValueError("a JPEG must say how large it is but this one does not")


def heat_map(rows: Sequence[Sequence[float]]) -> bytes:
    """A PNG of a matrix of numbers from 0; each row from pale (0) to deep (the row's sum).

    >>> size(heat_map([[3, 1], [0, 4]]))
    (48, 48)
    """
    lines = []
    for row in rows:
        total = sum(row) or 1
        line = b"".join(bytes(_shade(value / total)) * CELL for value in row)
        lines += [b"\x00" + line] * CELL
    width = CELL * max(map(len, rows), default=0)
    header = struct.pack(">IIBBBBB", width, len(lines), 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(b"".join(lines))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in parts)


def _shade(share: float) -> list[int]:
    return [round(pale + (deep - pale) * share) for pale, deep in zip(PALE, DEEP, strict=True)]


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
