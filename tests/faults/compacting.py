"""Compacts the segments of a journal in a process of its own, and may be killed at any moment.

Arguments: the ``journal/`` folder, and perhaps the number of the system call before which to die.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import sys
from pathlib import Path
from typing import Any

from etm_lightning.column_writer import RefusedError
from etm_lightning.packing import pack
from etm_lightning.reading import writers

CALLS = ("fsync", "replace", "unlink")


def die_before(number: int) -> None:
    """Let this process be killed before call `number` of those that touch files."""
    count = itertools.count(1)

    def counted(real: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            if next(count) == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args, **kwargs)

        return call

    for name in CALLS:
        setattr(os, name, counted(getattr(os, name)))


def compact(journal: Path) -> None:
    """Compact every segment that is there."""
    for path in [path for paths in writers(journal).values() for path in paths]:
        if path.suffix == ".jsonl":
            with contextlib.suppress(RefusedError):
                pack(path)


def in_a_child(journal: Path, number: int) -> bool:
    """Compact in a process that dies before call `number`; whether it lived on to the end."""
    child = os.fork()
    if not child:
        code = 1
        try:
            die_before(number)
            compact(journal)
            code = 0
        finally:
            os._exit(code)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, -signal.SIGKILL), status
    return status == 0


if __name__ == "__main__":
    compact(Path(sys.argv[1]))
