"""A second reader of journals, written from `docs/format.md` alone: it uses nothing of the package."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

START = re.compile(rb'\{"c":"[0-9a-f]{8}","k":"[^"\\]*","n":(?:0|[1-9][0-9]*)[,}]')
FILE = re.compile(r"(.+)\.(\d+)\.jsonl")


def intact(text: bytes) -> dict[str, Any] | None:
    """The record that `text`, without its newline, is."""
    if not START.match(text) or int(text[6:14], 16) != zlib.crc32(b"{" + text[16:]):
        return None
    try:
        record = json.loads(text)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def in_line(line: bytes) -> list[dict[str, Any]]:
    """The records in a line, which is one of them unless it is damaged."""
    whole = intact(line)
    if whole is not None:
        return [whole]
    found = []
    starts = [match.start() for match in START.finditer(line)]
    for begin, end in pairwise([*starts, len(line)]):
        record = intact(line[begin:end])
        if record is None and line[end - 1 : end] not in (b",", b"]", b"}"):
            record = intact(line[begin : end - 1])
        if record is not None:
            found.append(record)
    return found


def parse(content: bytes, *, final: bool) -> list[dict[str, Any]]:
    """The records of one segment."""
    *lines, tail = content.split(b"\n")
    if final:
        lines.append(tail)
    return [record for line in lines for record in in_line(line)]


def parse_writer(segments: Iterable[Path], *, final: bool) -> list[dict[str, Any]]:
    """The records of one writer, each once."""
    paths = sorted(segments, key=lambda path: int(path.name.split(".")[-2]))
    found: dict[int, dict[str, Any]] = {}
    for path in paths:
        for record in parse(path.read_bytes(), final=final or path is not paths[-1]):
            found.setdefault(record["n"], record)
    return list(found.values())


def by_writer(folder: Path) -> dict[str, list[Path]]:
    """The segments in a `journal/` folder by writer."""
    found: dict[str, list[Path]] = {}
    for path in folder.iterdir():
        if match := FILE.fullmatch(path.name):
            found.setdefault(match[1], []).append(path)
    return found
