"""Pictures: out of the caller's reach at once, a PNG later."""

from __future__ import annotations

import os
import struct
import sys
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etm_lightning.records import Json
from etm_lightning.track.media.arrays import CURE, array
from etm_lightning.track.media.exhibit import Copy, Drawn, given

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from etm_lightning.track.media.arrays import Array

_COLOURS = {1: 0, 2: 4, 3: 2, 4: 6}
"""Colour type of a PNG by number of channels: grey, grey and alpha, RGB, RGB and alpha."""


def images(image: Any) -> Iterator[Copy]:
    """Copies of one picture, of a list of them, or of a batch (an array of four dimensions).

    Args:
        image: a tensor of shape (channels, height, width) or (height, width), an array of these shapes or
            (height, width, channels), floats in [0, 1] or uint8, 1, 3 or 4 channels; a picture of PIL; the
            path or the bytes of a file.

    Raises:
        ImportError: without numpy, or for a file that only Pillow can read and it is missing.
        OSError: if the path cannot be read.
        TypeError: if it is no picture.
    """
    if isinstance(image, list | tuple) or getattr(image, "ndim", 0) == 4:
        for one in image:
            yield _image(one)
    else:
        yield _image(image)


def _image(image: Any) -> Copy:
    if isinstance(image, str | os.PathLike):
        image = Path(image).read_bytes()
    if isinstance(image, bytes | bytearray | memoryview):
        return _file(bytes(image))
    pillow = sys.modules.get("PIL.Image")
    if pillow is not None and isinstance(image, pillow.Image):
        return _pillow(image)
    if not hasattr(image, "shape"):
        raise TypeError(
            "must be a tensor, an array, a picture of PIL, or the path or bytes of a file "
            f"but got {type(image).__name__}"
        )
    pixels = _height_width_channels(array(image), tensor=hasattr(image, "detach"))
    return Copy(partial(_drawn, pixels), pixels.nbytes)


def _height_width_channels(found: Array, *, tensor: bool) -> Array:
    shape = found.shape
    if found.ndim == 2:
        found = found[:, :, None]
    elif found.ndim != 3:
        raise TypeError(f"must have 2 or 3 dimensions but got shape {shape}")
    else:
        first, last = shape[0] in (1, 3, 4), shape[2] in (1, 3, 4)
        if not (first or last):
            raise TypeError(f"must have 1, 3 or 4 channels, first or last, but got shape {shape}")
        if first and (tensor or not last):
            found = found.transpose(1, 2, 0)
    if 0 in shape:
        raise TypeError(f"must have pixels but got shape {shape}")
    if found.dtype.kind != "f" and found.dtype.name not in ("uint8", "bool"):
        raise TypeError(f"must be floats in [0, 1] or uint8 but got {found.dtype}")
    return found


def _drawn(pixels: Array) -> Drawn:
    import numpy as np

    height, width, _ = pixels.shape
    info: dict[str, Json] = {"width": width, "height": height}
    if pixels.dtype.kind == "f":
        wide = pixels.astype(np.float32)
        outside = ~((wide >= 0) & (wide <= 1))
        if outside.any():
            info["clipped"] = float(outside.mean())
            wide = np.clip(np.nan_to_num(wide, nan=0.0), 0, 1)
        pixels = np.rint(wide * 255)
    elif pixels.dtype.kind == "b":
        pixels = pixels * np.uint8(255)
    return Drawn(png(pixels.astype(np.uint8)), "png", info)


def png(pixels: NDArray[np.uint8]) -> bytes:
    """A PNG of pixels of shape (height, width, channels) with 1 to 4 channels.

    By ourselves because zlib leaves the training alone while it packs, and Pillow does not. Source of the
    format: https://www.w3.org/TR/png-3/; each row is stored as its difference to the one above (filter 2).
    """
    import numpy as np

    height, width, channels = pixels.shape
    rows = np.ascontiguousarray(pixels).reshape(height, width * channels)
    packed = np.empty((height, 1 + width * channels), dtype=np.uint8)
    packed[:, 0] = 2
    packed[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=packed[1:, 1:])
    head = struct.pack(">IIBBBBB", width, height, 8, _COLOURS[channels], 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(packed.tobytes())), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )


def _pillow(image: Any) -> Copy:
    """A picture of PIL; palettes and rarer modes become colours."""
    mode = image.mode
    if mode.startswith("I;16"):
        pixels = array(image)[:, :, None] / 65535
        return Copy(partial(_drawn, pixels), pixels.nbytes)
    if mode not in ("1", "L", "LA", "RGB", "RGBA"):
        mode = "L" if mode.startswith(("I", "F")) else "RGBA" if "transparency" in image.info else "RGB"
    pixels = array(image.convert("L" if mode == "1" else mode))
    pixels = pixels[:, :, None] if pixels.ndim == 2 else pixels
    return Copy(partial(_drawn, pixels), pixels.nbytes)


def _file(content: bytes) -> Copy:
    """A file as it is; one that browsers do not show becomes a PNG."""
    found = kind_and_size(content)
    if found is None:
        return _pillow(_opened(content))
    suffix, width, height = found
    return Copy(partial(given, content, suffix, {"width": width, "height": height}), len(content))


def _opened(content: bytes) -> Any:
    import io

    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError as error:
        raise ImportError(f"a file that is not PNG, JPEG, GIF or WebP needs Pillow: {CURE}") from error
    try:
        return Image.open(io.BytesIO(content))
    except UnidentifiedImageError:
        raise TypeError(
            f"must be a picture but got {len(content)} bytes that begin {content[:8]!r}"
        ) from None


def kind_and_size(content: bytes) -> tuple[str, int, int] | None:
    r"""Suffix, width and height of a PNG, JPEG, GIF or WebP; None for anything else.

    >>> kind_and_size(b"GIF89a\x02\x00\x03\x00")
    ('gif', 2, 3)
    """
    try:
        if content.startswith(b"\x89PNG\r\n\x1a\n"):
            return "png", *struct.unpack_from(">II", content, 16)
        if content.startswith((b"GIF87a", b"GIF89a")):
            return "gif", *struct.unpack_from("<HH", content, 6)
        if content.startswith(b"\xff\xd8\xff"):
            return "jpg", *_jpeg(content)
        if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
            return "webp", *_webp(content)
    except (struct.error, IndexError, StopIteration):
        raise TypeError(f"must be a whole picture but got {len(content)} bytes of one") from None
    return None


def _jpeg(content: bytes) -> tuple[int, int]:
    """Width and height from the frame header (ITU T.81, B.2.2)."""
    place = 2
    while True:
        while content[place + 1] == 0xFF:
            place += 1
        marker = content[place + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", content, place + 5)
            return width, height
        place += 2 + struct.unpack_from(">H", content, place + 2)[0]


def _webp(content: bytes) -> tuple[int, int]:
    """Width and height from the first chunk (RFC 9649)."""
    kind = content[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(content[24:27], "little"), 1 + int.from_bytes(content[27:30], "little")
    if kind == b"VP8L":
        bits = struct.unpack_from("<I", content, 21)[0]
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = struct.unpack_from("<HH", content, 26)
    return width & 0x3FFF, height & 0x3FFF
