"""A model with two weights, data it can learn, and what the tests ask of a journal."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.utilities.types import STEP_OUTPUT
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from etm_lightning.attempts import facts
from etm_lightning.layout import RunFolder, run_folders
from etm_lightning.records import Ended, Scalars
from etm_lightning.track.logger import ETMLogger

ADVICE = (
    "ignore:.*does not have many workers.*",
    "ignore:.*smaller than the logging interval.*",
    "ignore:.*exists and is not empty.*",
    "ignore:.*callbacks used to create the checkpoint need to be provided.*",
    "ignore:The dirpath has changed from.*",
    "ignore:The dirpath has changed.*",
    "ignore:Be aware that when using `ckpt_path`.*",
)


QUIET = [pytest.mark.filterwarnings(advice) for advice in ADVICE]


def loader(batches: int = 4) -> DataLoader[tuple[Tensor, ...]]:
    x = torch.linspace(-1, 1, 2 * batches).reshape(-1, 1)
    return DataLoader(TensorDataset(x, 3 * x + 1), batch_size=2)


class Line(pl.LightningModule):
    """Fits a line to `batches` batches; logs a loss per step and one per evaluation."""

    def __init__(self, lr: float = 0.1, batches: int = 4) -> None:
        super().__init__()
        self.save_hyperparameters()
        torch.manual_seed(0)
        self.line = torch.nn.Linear(1, 1)

    def loss(self, batch: Any) -> Tensor:
        x, y = batch
        return torch.nn.functional.mse_loss(self.line(x), y)

    def training_step(self, batch: Any, batch_idx: int) -> STEP_OUTPUT:
        loss = self.loss(batch)
        self.log("train/loss", loss)
        return loss

    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> STEP_OUTPUT:
        loss = self.loss(batch)
        self.log("val/loss", loss)
        return loss

    def test_step(self, batch: Any, batch_idx: int) -> STEP_OUTPUT:
        loss = self.loss(batch)
        self.log("test/loss", loss)
        return loss

    def predict_step(self, batch: Any, batch_idx: int) -> Tensor:
        return self.line(batch[0])  # type: ignore[no-any-return]

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=self.hparams["lr"])

    def train_dataloader(self) -> DataLoader[Any]:
        return loader(self.hparams["batches"])

    def val_dataloader(self) -> Any:
        return loader(2)

    def test_dataloader(self) -> Any:
        return loader(2)

    def predict_dataloader(self) -> Any:
        return loader(1)


def trainer(logger: Any, **options: Any) -> pl.Trainer:
    """A Trainer on the CPU that says nothing."""
    base = {
        "accelerator": "cpu",
        "devices": 1,
        "max_epochs": 1,
        "log_every_n_steps": 1,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "enable_checkpointing": False,
        "logger": logger,
    }
    return pl.Trainer(**{**base, **options})


class Row(NamedTuple):
    """One record of scalars."""

    stage: str
    axis: str
    step: int
    epoch: int | None
    values: dict[str, float]


def records(folder: RunFolder, *, superseded: bool = False) -> list[Any]:
    return [fact.item for fact in facts(folder.journal, superseded=superseded)]


def of_kind(folder: RunFolder, kind: type[Any]) -> list[Any]:
    return [item for item in records(folder) if isinstance(item, kind)]


def rows(folder: RunFolder) -> list[Row]:
    return [Row(r.stage, r.axis, r.step, r.epoch, r.items()) for r in of_kind(folder, Scalars)]


def points(folder: RunFolder, name: str) -> list[tuple[str, str, int, int | None]]:
    return [(r.stage, r.axis, r.step, r.epoch) for r in rows(folder) if name in r.values]


def ends(folder: RunFolder) -> list[str]:
    return [item.status for item in of_kind(folder, Ended)]


def only_run(store: Path) -> RunFolder:
    [folder] = run_folders(store)
    return folder


def below(path: Path) -> list[str]:
    """All files and folders below `path`."""
    return sorted(str(found.relative_to(path)) for found in path.rglob("*"))


def logger_in(store: Path, **options: Any) -> Any:
    """An ETMLogger for project p; Any, because it is a Logger only by registration."""
    return ETMLogger("p", store, **options)


def names(found: Iterable[Row]) -> set[str]:
    return {name for row in found for name in row.values}
