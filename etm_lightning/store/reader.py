"""Digests of many runs by processes of their own: a big store that is new is read on all cores."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from etm_lightning.layout import RunFolder
from etm_lightning.store import looking
from etm_lightning.store.digest import Digest
from etm_lightning.store.digesting import digest

if TYPE_CHECKING:
    Files = dict[str, tuple[int, int]]

MANY = 1000
"""Runs from which on it pays to start processes."""
_MOST = 5000
"""Runs of which a process tells at once."""


class Found(msgspec.Struct, frozen=True):
    """A run: its files as they were at a time, and its digest, read after that."""

    files: dict[str, tuple[int, int]]
    time: float
    digest: Digest


_decoder = msgspec.json.Decoder(list[Found])


def read(folder: Path) -> Found:
    """Read one run here."""
    now = time.time()
    files = looking.files(folder)
    return Found(files, now, digest(RunFolder(folder)))


def read_all(folders: Sequence[Path]) -> Iterator[Found]:
    """Read runs, in their order."""
    cores = os.cpu_count() or 1
    if len(folders) < MANY or cores == 1:
        yield from map(read, folders)
        return
    size = min(_MOST, max(MANY // 2, -(-len(folders) // (2 * cores))))
    shares = [folders[start : start + size] for start in range(0, len(folders), size)]
    with ThreadPoolExecutor(cores) as threads:
        for found in threads.map(_elsewhere, shares):
            yield from found


def _elsewhere(folders: Sequence[Path]) -> list[Found]:
    """The same by another process; here if that fails."""
    names = msgspec.json.encode([str(folder) for folder in folders])
    command = [sys.executable, "-P", "-m", __name__]
    try:
        done = subprocess.run(command, input=names, capture_output=True, check=True)
        return _decoder.decode(done.stdout)
    except (OSError, subprocess.SubprocessError, msgspec.DecodeError):  # no interpreter of its own, say
        return [read(folder) for folder in folders]


def main() -> None:
    """Digests of the folders that stdin names, to stdout."""
    folders = msgspec.json.decode(sys.stdin.buffer.read(), type=list[str])
    sys.stdout.buffer.write(msgspec.json.encode([read(Path(folder)) for folder in folders]))


if __name__ == "__main__":
    main()
