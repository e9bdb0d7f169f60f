"""How files of runs are sent: what they are is said by us, never guessed by the browser."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any, BinaryIO
from urllib.parse import quote

import msgspec
from starlette.responses import Response, StreamingResponse

TYPES = {
    ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".gif": "image/gif",
    ".webp": "image/webp", ".json": "application/json",
    ".wav": "audio/wav", ".mp3": "audio/mpeg", ".flac": "audio/flac", ".ogg": "audio/ogg",
    ".opus": "audio/ogg", ".m4a": "audio/mp4",
    ".mp4": "video/mp4", ".webm": "video/webm", ".mov": "video/quicktime", ".mkv": "video/x-matroska",
    ".avi": "video/x-msvideo",
}  # fmt: skip
"""What is shown; every other file is only kept by the browser."""
SANDBOX = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data: blob:; media-src data: blob:; font-src data:; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'self'"
)
"""For a page that a run recorded: an origin of its own, which reaches neither us nor anything else."""
FRAMED = {"content-security-policy": SANDBOX, "x-frame-options": "SAMEORIGIN"}
_PIECE = 2**18
MOST_TABLE = 64 * 2**20


def sent(file: BinaryIO, suffix: str, name: str, range_: str | None, *, download: bool = False) -> Response:
    """A file as an answer, or the stretch of it that `range_` asks for, as films need it.

    Args:
        file: it is closed when it was sent.
        suffix: how its name ends; says what it is.
        name: what it is called if the browser keeps it.
        range_: the header `Range`.
        download: have the browser keep it.
    """
    size = os.fstat(file.fileno()).st_size
    start, stop, status = _stretch(range_, size)
    headers = {
        "accept-ranges": "bytes",
        "content-length": str(stop - start),
        "cache-control": "private, max-age=3600",
    }
    if status == 206:
        headers["content-range"] = f"bytes {start}-{stop - 1}/{size}"
    if suffix == ".html" and not download:
        kind = "text/html; charset=utf-8"
        headers |= FRAMED
    elif suffix in TYPES and not download:
        kind = TYPES[suffix]
        headers["content-security-policy"] = "sandbox; default-src 'none'; frame-ancestors 'none'"
    else:
        kind = "application/octet-stream"
        headers |= {
            "content-disposition": f"attachment; filename*=UTF-8''{quote(file_name(name), safe='')}",
            "content-security-policy": "sandbox; default-src 'none'; frame-ancestors 'none'",
        }
    return StreamingResponse(_pieces(file, start, stop), status, headers, kind)


def framed(page: bytes) -> Response:
    """A page for a frame of ours: an origin of its own, without a network."""
    headers = {**FRAMED, "cache-control": "private, max-age=3600"}
    return Response(page, headers=headers, media_type="text/html; charset=utf-8")


def file_name(name: str) -> str:
    r"""A name that every system takes for a file.

    >>> file_name("../../etc/pass\nwd")
    'pass_wd'
    """
    return re.sub(r"[^\w.=+,-]", "_", PurePosixPath(name.replace("\\", "/")).name).strip(".") or "file"


def _stretch(range_: str | None, size: int) -> tuple[int, int, int]:
    """Start, stop and status: one range is honoured; what is odd gets the whole."""
    match = re.fullmatch(r"bytes=(\d{0,15})-(\d{0,15})", range_ or "")
    if not match or not size or match[0] == "bytes=-":
        return 0, size, 200
    if not match[1]:
        return max(0, size - int(match[2])), size, 206
    start = int(match[1])
    stop = min(size, int(match[2]) + 1) if match[2] else size
    return (start, stop, 206) if start < stop else (0, size, 200)


def _pieces(file: BinaryIO, start: int, stop: int) -> Iterator[bytes]:
    with file:
        file.seek(start)
        while start < stop and (piece := file.read(min(_PIECE, stop - start))):
            start += len(piece)
            yield piece


def tail(file: BinaryIO, most: int) -> str:
    """The last `most` bytes of a text, from the beginning of a line on."""
    with file:
        size = os.fstat(file.fileno()).st_size
        file.seek(max(0, size - most))
        text = file.read(most).decode("utf-8", "replace")
    return text if size <= most else text.partition("\n")[2]


def table(file: BinaryIO, offset: int, limit: int) -> dict[str, Any]:
    """Some rows of a recorded table.

    Raises:
        ValueError: if it is none, or too large to be read at once.
    """
    with file:
        size = os.fstat(file.fileno()).st_size
        if size > MOST_TABLE:
            raise ValueError(
                f"the table has {size} bytes, more than the {MOST_TABLE} that are read for a page"
            )
        try:
            found = msgspec.json.decode(file.read())
        except (msgspec.DecodeError, RecursionError) as error:
            raise ValueError(f"the table is damaged: {error}") from error
    if not isinstance(found, dict) or not all(
        isinstance(found.get(part), list) for part in ("columns", "rows")
    ):
        raise ValueError("it is no table")
    return {
        "columns": found["columns"],
        "rows": found["rows"][offset : offset + limit],
        "total": len(found["rows"]),
    }
