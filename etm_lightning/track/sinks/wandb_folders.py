"""The folders that W&B's client writes offline, of which a run is to have one that counts."""

from __future__ import annotations

import shutil
from pathlib import Path

_OURS = ".etm"


def mark(folder: Path, run_id: str) -> None:
    """Say that an offline folder is a copy of the journal, so that it may be replaced."""
    (folder / _OURS).write_text(run_id)


def clear(run_folder: Path) -> set[str]:
    """Remove what earlier deliveries of a run wrote offline; what somebody else wrote stays.

    Returns:
        Ids of W&B runs that were written here and that `wandb sync` has uploaded since; their folders stay.
    """
    uploaded = set()
    for file in (run_folder / "wandb").glob(f"offline-run-*/{_OURS}"):
        if any(file.parent.glob("*.synced")):
            uploaded.add(file.read_text())
        else:
            shutil.rmtree(file.parent)
    return uploaded
