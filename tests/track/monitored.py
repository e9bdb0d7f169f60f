"""A small language model that is watched by every monitor, for any logger."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.utilities.types import STEP_OUTPUT
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from etm_lightning import (
    DeviceMemory,
    GradientNorm,
    Histograms,
    Numerics,
    Throughput,
    TimeLeft,
    UpdateRatio,
)

WORDS, LENGTH, ROWS = 8, 6, 4
"""Words that there are, words of a text, texts of a batch."""


class Texts(Dataset[dict[str, Tensor]]):
    def __init__(self, batches: int) -> None:
        self.ids = torch.randint(
            0, WORDS, (batches * ROWS, LENGTH), generator=torch.Generator().manual_seed(0)
        )

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, row: int) -> dict[str, Tensor]:
        mask = torch.tensor([1] * (LENGTH - 2) + [0, 0])
        return {"input_ids": self.ids[row], "attention_mask": mask, "rows": torch.tensor(row)}


class Words(pl.LightningModule):
    """Guesses each word from itself; its loss is spoiled in the batches that `spoil` names."""

    def __init__(self, batches: int = 12, spoil: dict[int, float] | None = None) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.batches, self.spoil = batches, spoil or {}
        self.body = torch.nn.Sequential(torch.nn.Embedding(WORDS, 4), torch.nn.Linear(4, 16), torch.nn.ReLU())
        self.head = torch.nn.Linear(16, WORDS)

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> STEP_OUTPUT:
        words = batch["input_ids"]
        loss = torch.nn.functional.cross_entropy(self.head(self.body(words)).flatten(0, 1), words.flatten())
        spoiled = self.spoil.get(self.trainer.current_epoch * self.batches + batch_idx, 1.0)
        return loss * spoiled

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        self.log("val/words", float(batch["input_ids"].numel()))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)

    def train_dataloader(self) -> DataLoader[Any]:
        return DataLoader(Texts(self.batches), batch_size=ROWS)

    def val_dataloader(self) -> DataLoader[Any]:
        return DataLoader(Texts(2), batch_size=ROWS)


def monitors() -> list[Any]:
    """All of them, often enough for a short training."""
    return [
        Throughput(every_n_steps=4, peak_flops=1e12),
        GradientNorm(every_n_steps=4, depth=1),
        UpdateRatio(every_n_steps=4, depth=1),
        DeviceMemory(every_n_steps=4),
        Numerics(every_n_steps=4),
        TimeLeft(every_n_steps=4),
        Histograms(every_n_steps=8, bins=16),
    ]


def train(logger: Any, **options: Any) -> pl.Trainer:
    """Two epochs of twelve batches, the last losses infinite, under every monitor."""
    one = pl.Trainer(
        accelerator="cpu",
        devices=1,
        max_epochs=2,
        logger=logger,
        callbacks=options.pop("callbacks", None) or monitors(),
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        num_sanity_val_steps=0,
        **options,
    )
    one.fit(Words(spoil={22: float("inf"), 23: float("inf")}))
    return one
