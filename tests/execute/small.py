"""A project of somebody's own, that knows nothing of us: used by config alone."""

from __future__ import annotations

import os
import time

import lightning.pytorch as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Subset, TensorDataset

from etm_lightning.design.folds import folds_of


class Net(pl.LightningModule):
    """A regression whose validation loss is worst at the end if `spoil` says so."""

    def __init__(
        self, lr: float = 0.1, hidden: int = 4, spoil: bool = False, fail_at: int = -1, pause: float = 0.0
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.lr, self.spoil, self.fail_at, self.pause = lr, spoil, fail_at, pause
        self.net = torch.nn.Sequential(
            torch.nn.Linear(2, hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, 1)
        )

    def _loss(self, batch: list[Tensor]) -> Tensor:
        return torch.nn.functional.mse_loss(self.net(batch[0]), batch[1])

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        if self.global_step == int(os.environ.get("FAIL_AT", self.fail_at)):
            raise RuntimeError("planted failure")
        time.sleep(self.pause)
        loss = self._loss(batch)
        self.log("train/loss", loss)
        return loss

    def validation_step(self, batch: list[Tensor], batch_idx: int) -> None:
        worse = 100.0 * self.current_epoch if self.spoil else 0.0
        self.log("val/loss", self._loss(batch) + worse)

    def test_step(self, batch: list[Tensor], batch_idx: int) -> None:
        self.log("test/loss", self._loss(batch))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), self.lr)


class Data(pl.LightningDataModule):
    """Sums of two numbers."""

    def __init__(self, rows: int = 32) -> None:
        super().__init__()
        self.rows = rows

    def setup(self, stage: str) -> None:
        numbers = torch.randn(self.rows, 2, generator=torch.Generator().manual_seed(0))
        self.pairs = TensorDataset(numbers, numbers.sum(1, keepdim=True))

    def train_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        return DataLoader(self.pairs, 8)

    val_dataloader = test_dataloader = train_dataloader


class Folded(Data):
    """The same for a cross-validation, as docs/folds.md says a module of one's own has to be."""

    def __init__(self, rows: int = 32, fold: int | None = None, folds: int | None = None) -> None:
        super().__init__(rows)
        self.fold, self.folds = fold, folds

    def setup(self, stage: str) -> None:
        super().setup(stage)
        self.train = self.validation = self.test = self.pairs
        if self.fold is not None and self.folds is not None:
            place = folds_of([0] * self.rows, self.folds)
            split = [Subset(self.pairs, [i for i, f in enumerate(place) if (f == self.fold) == held])
                     for held in (False, True)]  # fmt: skip
            self.train, self.validation = split  # type: ignore[assignment]  # a part of the same

    def train_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        return DataLoader(self.train, 8)

    def val_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        return DataLoader(self.validation, 8)
