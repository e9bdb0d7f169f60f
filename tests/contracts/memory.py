"""A sink of the tests: keeps what it gets in a file of the run, and fails on demand."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from etm_lightning.layout import RunFolder
from etm_lightning.records import Record, Scalars
from etm_lightning.track.sinks.sink import Target

log = logging.getLogger("a client of its own")


class Memory:
    """Appends each scalar as a JSON line; a generation has a file of its own.

    Options: ``fail`` is a file whose presence makes `write` raise, ``hang`` one that makes it wait,
    ``refuse`` one that makes it impossible to open; ``tell`` names a variable to chat about.
    """

    def __init__(self, target: Target) -> None:
        self._options = target.options
        if self._present("refuse"):
            raise ConnectionError("refused at the start")
        self._path = place(target.folder, target.generation)
        with self._path.open("ab") as file:
            file.truncate(int(target.state.get("offset", 0)))

    def _present(self, word: str) -> bool:
        return word in self._options and Path(self._options[word]).exists()

    def write(self, records: Sequence[Record]) -> None:
        while self._present("hang"):
            time.sleep(0.02)
        if self._present("fail"):
            told = os.environ.get(self._options.get("tell", ""), "")
            log.warning("the device of the sink says %s", told)
            raise OSError(f"no space left on the sink's device {told}")
        with self._path.open("a") as file:
            for record in records:
                if isinstance(record, Scalars) and record.axis == "step":
                    for name, value in record.items().items():
                        file.write(json.dumps([name, record.step, value]) + "\n")

    def flush(self) -> Mapping[str, Any]:
        return {"offset": os.path.getsize(self._path)}

    def close(self) -> None:
        """Nothing is held."""


def place(folder: RunFolder, generation: int = 0) -> Path:
    return folder.path / f"memory-{generation}.jsonl"


def opened(target: Target) -> Memory:
    return Memory(target)


def kept(folder: RunFolder) -> dict[str, list[tuple[int, float]]]:
    """What the newest generation has, by name."""
    newest = max(folder.path.glob("memory-*.jsonl"), default=None)
    found: dict[str, list[tuple[int, float]]] = {}
    for line in newest.read_text().splitlines() if newest else ():
        name, step, value = json.loads(line)
        found.setdefault(name, []).append((step, value))
    return found


SPEC = "tests.contracts.memory.opened"
