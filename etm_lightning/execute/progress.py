"""What a training shows: bars on a terminal, one plain line per epoch elsewhere, nothing if asked."""

from __future__ import annotations

import logging
import sys
import time
import warnings
from collections.abc import Container
from pathlib import Path

import lightning.pytorch as pl
from lightning_utilities.core.rank_zero import rank_zero_only

from etm_lightning.execute.quiet import quiet


def show_bar() -> bool:
    """Whether a progress bar makes sense here."""
    return sys.stdout.isatty() and not quiet()


@rank_zero_only
def say(line: str) -> None:
    """One line to standard output, at once, from rank 0."""
    if not quiet():
        print(line, flush=True)


def near(path: Path) -> str:
    """A path as one would type it here."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def hush() -> None:
    """Keep Lightning's tips off the screen: what matters is recorded."""
    for name in ("lightning.pytorch", "lightning.fabric", "pytorch_lightning", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    logging.getLogger("hydra.utils").setLevel(logging.CRITICAL)  # it prints what it raises
    warnings.filterwarnings("ignore", module=r"(lightning|pytorch_lightning)\.")
    warnings.filterwarnings("ignore", message=r".*isinstance\(treespec, LeafSpec\).*")


class EpochLine(pl.Callback):
    """One line per epoch: its number, its duration, and the values logged."""

    def __init__(self) -> None:
        self._began = 0.0

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._began = time.monotonic()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        found = {str(name): float(value) for name, value in trainer.callback_metrics.items()}
        values = [f"{name} {value:.4g}" for name, value in sorted(found.items()) if _of_all(name, found)]
        most = f"/{trainer.max_epochs}" if trainer.max_epochs and trainer.max_epochs > 0 else ""
        seconds = time.monotonic() - self._began
        say(f"epoch {trainer.current_epoch + 1}{most} · {seconds:.1f} s · {' · '.join(values)}")


def _of_all(name: str, names: Container[str]) -> bool:
    """Whether a value belongs on the line: no learning rate, no part of another value as `val/f1_PER` is.

    >>> [name for name in ("val/f1", "val/f1_PER", "lr-SGD") if _of_all(name, {"val/f1"})]
    ['val/f1']
    """
    return not name.startswith("lr-") and ("_" not in name or name.partition("_")[0] not in names)
