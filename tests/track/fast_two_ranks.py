"""Run by `test_fast_two_ranks.py`: two ranks with batches of different sizes log in both ways."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from torch.utils.data import DataLoader, TensorDataset

from etm_lightning import ETMLogger
from tests.track.fast_lines import WAYS, Given


class Shared(Given):
    """Rank 1 has larger values and, in validation, larger batches."""

    name = ""

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        loss = self.loss(batch)
        values = {"train/loss": loss, "train/rank": float(self.global_rank + batch_idx)}
        self.give(self, values, on_step=True, on_epoch=True, sync_dist=True)
        self.give(self, {"train/own": float(self.global_rank)}, on_step=True, on_epoch=True)
        return loss

    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> Any:
        mine = self.loss(batch) + self.global_rank
        size = 2 + 2 * self.global_rank * (batch_idx + 1)  # Lightning itself rounds half an example down
        self.give(self, {"val/loss": mine, "val/x": 2 * mine}, sync_dist=True, batch_size=size)
        for reduce_fx in ("sum", "min", "max"):
            self.give(self, {f"val/{reduce_fx}": mine}, sync_dist=True, reduce_fx=reduce_fx)

    def train_dataloader(self) -> Any:
        x = torch.linspace(-1, 1, 32).reshape(-1, 1)
        return DataLoader(TensorDataset(x, 3 * x + 1), batch_size=4)

    def on_fit_end(self) -> None:
        found = {name: float(value) for name, value in self.trainer.callback_metrics.items()}
        found["best"] = float(Path(self.trainer.checkpoint_callback.best_model_path).stem.partition("=")[2])  # type: ignore[union-attr]
        Path(f"{self.name}-{self.global_rank}.json").write_text(json.dumps(found))


def main() -> None:
    for name, give in WAYS.items():
        logger: Any = ETMLogger("p", name)
        best = ModelCheckpoint(f"saved-{name}", monitor="val/loss", filename="{epoch}")
        trainer = pl.Trainer(
            accelerator="cpu", devices=2, strategy="ddp_fork", logger=logger, max_epochs=2,
            log_every_n_steps=2, enable_progress_bar=False, enable_model_summary=False,
            callbacks=[EarlyStopping("val/loss", patience=1), best],
        )  # fmt: skip
        module = Shared(give)
        module.name = name
        trainer.fit(module)
