"""Lines of a journal: which bytes are a record."""

from __future__ import annotations

import re
import zlib

from etm_lightning.records import Record, decode

LINE = re.compile(rb'\{"c":"([0-9a-f]{8})","k":"([^"\\]*)","n":(0|[1-9][0-9]*)[,}]')
BRACE = zlib.crc32(b"{")


def unseal(text: bytes) -> tuple[int, Record] | str:
    """Number and record of an intact line without its newline, or what is wrong with it."""
    match = LINE.match(text)
    if match is None:
        return "not a record"
    if b"%08x" % zlib.crc32(text[16:], BRACE) != match[1]:
        return "checksum does not match"
    try:
        return int(match[3]), decode(match[2].decode(), text)
    except (ValueError, RecursionError) as error:  # a writer's mistake: the bytes are as they were written
        return f"not a record: {error}"
