"""The segments of a run as blocks, remembered between two readings, and big ones in the run's ``cache/``."""

from __future__ import annotations

from pathlib import Path

from etm_lightning.attempts import Writer
from etm_lightning.columns import SUFFIX
from etm_lightning.layout import RunFolder
from etm_lightning.reading import replaced
from etm_lightning.store import block_cache
from etm_lightning.store.blocks import Block, Segment, read_on, stamp, unchanged
from etm_lightning.store.column_blocks import read_columns

WORTH_CACHING = 1 << 20
"""Bytes of lines."""


class Segments:
    """Reads what is new in a run's segments."""

    def __init__(self, folder: RunFolder) -> None:
        self._cache = folder.cache / "columns"
        self._known: dict[str, Segment] = {}

    def blocks(self, writer: Writer) -> list[Block]:
        """All that a writer wrote.

        Raises:
            OSError: if a file cannot be read.
            OverflowError: if a record's number needs more than 64 bits.
        """
        final = writer.alive() is False
        found: list[Block] = []
        for path in writer.segments:
            segment = self._segment(path, final or path != writer.segments[-1])
            found += [*segment.blocks, *([segment.tail] if segment.tail else [])]
        return found

    def _segment(self, path: Path, final: bool) -> Segment:
        if path.suffix != SUFFIX:
            try:
                return self._lines(path, final)
            except OSError as error:
                path = replaced(path, error)
        known = self._known.get(path.stem)
        if known is None or known.stamp != stamp(path):
            known = self._known[path.stem] = Segment(read_columns(path), stamp=stamp(path))
        return known

    def _lines(self, path: Path, final: bool) -> Segment:
        known = self._known.get(path.stem) or block_cache.load(self._cache, path)
        if known is not None and not unchanged(path, known):
            known = None
        found = self._known[path.stem] = read_on(path, known or Segment(), final=final)
        if found.end - found.cached >= max(WORTH_CACHING, found.cached // 4):
            block_cache.save(self._cache, path, found)
        return found
