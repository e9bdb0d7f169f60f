"""The journal file of Optuna's study, read in a fraction of Optuna's time, and mended when torn."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from etm_lightning.optimize.folded import folded


class OptunaFile:
    """What `optuna.storages.JournalStorage` reads and writes.

    Args:
        file: where it lies.
        backend: Optuna's own of the same file, which writes it.
    """

    def __init__(self, file: Path, backend: Any) -> None:
        self._file = file
        self.append_logs = backend.append_logs
        self._entries, self._place = 0, 0
        self._folded: int | None = None

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        """The entries from a number on. A line that has no end yet is being written.

        What was there when somebody first asked comes as one entry for each trial, now and later: so all
        who ask count alike.
        """
        if log_number_from < self._entries:
            self._entries, self._place = 0, 0
        if not self._place:
            entries, self._folded = folded(self._file, self._folded)
            self._place = self._folded
            while entries:  # and let each go: Optuna keeps what it needs
                entry = entries.popleft()
                self._entries += 1
                if self._entries > log_number_from:
                    yield entry
        with self._file.open("rb") as file:
            file.seek(self._place)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                self._entries, self._place = self._entries + 1, self._place + len(line)
                if self._entries > log_number_from:
                    yield _entry(line)


def mend(file: Path) -> None:
    """Cut off half a line at the end, which a power cut left: what is written next would join it."""
    content = file.read_bytes() if file.exists() else b""
    if content and not content.endswith(b"\n"):
        with file.open("r+b") as torn:
            torn.truncate(content.rfind(b"\n") + 1)


def _entry(line: bytes) -> dict[str, Any]:
    try:
        found: dict[str, Any] = msgspec.json.decode(line)
    except msgspec.DecodeError:  # NaN is no JSON, but Python's
        found = json.loads(line)
    return found
