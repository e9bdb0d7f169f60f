"""The folders that W&B's client writes offline, of which a run is to have one that counts."""

from __future__ import annotations

import shutil
from pathlib import Path

from etm_lightning.track.shipping.cursors import replace

_OURS, _BEGINNING = ".etm", ".etm-beginning"


def begin(run_folder: Path, run_id: str) -> None:
    """Say that W&B is about to make an offline folder: a kill before it is marked would leave it for ever."""
    folder = run_folder / "wandb"
    others = sorted(path.name for path in folder.glob("offline-run-*"))
    replace(folder / _BEGINNING, "\n".join([run_id, *others]).encode())


def mark(run_folder: Path, folder: Path, run_id: str) -> None:
    """Say that an offline folder is a copy of the journal, so that it may be replaced."""
    (folder / _OURS).write_text(run_id)
    (run_folder / "wandb" / _BEGINNING).unlink(missing_ok=True)


def clear(run_folder: Path) -> set[str]:
    """Remove what earlier deliveries of a run wrote offline; what somebody else wrote stays.

    Returns:
        Ids of W&B runs that were written here and that `wandb sync` has uploaded since; their folders stay.
    """
    folder = run_folder / "wandb"
    _clear_begun(folder)
    uploaded = set()
    for file in folder.glob(f"offline-run-*/{_OURS}"):
        if any(file.parent.glob("*.synced")):
            uploaded.add(file.read_text())
        else:
            shutil.rmtree(file.parent)
    return uploaded


def _clear_begun(folder: Path) -> None:
    """Remove what W&B had made for a delivery that was killed before it could mark it."""
    beginning = folder / _BEGINNING
    if beginning.exists():
        run_id, *others = beginning.read_text().splitlines()
        for made in folder.glob("offline-run-*"):
            if made.name.endswith(f"-{run_id}") and made.name not in others and not (made / _OURS).exists():
                shutil.rmtree(made)
        beginning.unlink()
