"""Entries of many runs by processes of their own: a big store that is new is read on all cores."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Self

import msgspec

from etm_lightning.layout import RunFolder
from etm_lightning.store import looking
from etm_lightning.store.digesting import digest
from etm_lightning.store.filing import Entry, Seen, entry

MANY = 1000
"""Runs from which on it pays to start processes."""
SHARE = 50
"""Runs of which a process tells at once."""

_asked = msgspec.msgpack.Decoder(tuple[bytes, list[list[Seen]]])
_entries = msgspec.msgpack.Decoder(list[Entry])
_SIZE = 8
"""Bytes before each answer: how many come."""
_ROOM = 1 << 20
"""Bytes that a process may be ahead: some answers."""


def read(store: Path, seen: Seen) -> Entry:
    """Read one run here."""
    now, folder = time.time(), store / seen.folder
    files = looking.files(folder)
    return entry(seen, files, digest(RunFolder(folder), now=now), now)


def read_all(store: Path, runs: Sequence[Seen]) -> Generator[Entry]:
    """Read runs of a store, in their order; who does not want them all closes it."""
    cores = os.cpu_count() or 1
    others = min(cores, 2 * len(runs) // MANY) if cores > 1 and len(runs) >= MANY else 0
    shares = [list(runs[start : start + SHARE]) for start in range(0, len(runs), SHARE)]
    with ExitStack() as stack:
        elsewhere = [stack.enter_context(_Elsewhere()) for _ in range(others)]
        for one, process in enumerate(elsewhere):
            process.ask(store, shares[one::others])
        for number, share in enumerate(shares):
            found = elsewhere[number % others].answer() if others else None
            yield from (read(store, seen) for seen in share) if found is None else found


class _Elsewhere:
    """A process that reads shares of runs, a little ahead of who takes them. It ends with its context."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        pipe = subprocess.PIPE
        with suppress(OSError):  # no interpreter of its own, say
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", __name__], stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL
            )
            with suppress(AttributeError):  # only Linux can, and not for everybody
                fcntl.fcntl(self._process.stdout, fcntl.F_SETPIPE_SZ, _ROOM)  # type: ignore[arg-type]

    def ask(self, store: Path, shares: Sequence[Sequence[Seen]]) -> None:
        """Tell it which runs of a store to read."""
        if self._process:
            assert self._process.stdin
            with suppress(OSError), self._process.stdin as pipe:
                pipe.write(msgspec.msgpack.encode((os.fsencode(store), shares)))

    def answer(self) -> list[Entry] | None:
        """The next share; None if the process has failed."""
        if not self._process:
            return None
        assert self._process.stdout
        size = int.from_bytes(self._process.stdout.read(_SIZE), "big")
        try:
            return _entries.decode(self._process.stdout.read(size))
        except msgspec.DecodeError:  # nothing, or a part
            return None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process:
            assert self._process.stdout
            self._process.kill()
            self._process.stdout.close()
            self._process.wait()


def main() -> None:
    """Entries of the runs that stdin names, to stdout, as soon as a share is read."""
    place, shares = _asked.decode(sys.stdin.buffer.read())
    store = Path(os.fsdecode(place))
    for share in shares:
        told = msgspec.msgpack.encode([read(store, seen) for seen in share])
        sys.stdout.buffer.write(len(told).to_bytes(_SIZE, "big") + told)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
