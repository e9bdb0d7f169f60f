"""Lightning's own CSVLogger in a worker process, read back with Python's csv module."""

from __future__ import annotations

import csv
from typing import Any

from etm_lightning.layout import RunFolder
from tests.contracts.case import Case, Curves
from tests.warm import python


def options(folder: RunFolder) -> dict[str, Any]:
    return {
        "logger": {
            "_target_": "lightning.pytorch.loggers.CSVLogger",
            "save_dir": str(folder.path),
            "name": "csv",
            "version": "",
        },
        "python": python(),
    }


def read(folder: RunFolder) -> Curves:
    found: dict[str, list[tuple[int, float]]] = {}
    with (folder.path / "csv" / "metrics.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            for name, text in row.items():
                if text and name not in ("step", "epoch"):
                    found.setdefault(name, []).append((int(row["step"]), float(text)))
    return found


CASE = Case("lightning", read, options)
