"""A project of somebody else's: our logger is one line in it and changes nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import EarlyStopping, LearningRateMonitor, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning.pytorch.utilities.types import STEP_OUTPUT
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.data import DataLoader, TensorDataset

from etm_lightning.store.store import Store
from tests.track.lines import QUIET, logger_in

pytestmark = QUIET


class Pictures(pl.LightningDataModule):
    """Dark and light pictures of noise."""

    def __init__(self, size: int = 8) -> None:
        super().__init__()
        self.save_hyperparameters()

    def loader(self, seed: int, count: int) -> DataLoader[Any]:
        chance = torch.Generator().manual_seed(seed)
        labels = torch.arange(count) % 2
        noise = torch.randn(count, 1, self.hparams["size"], self.hparams["size"], generator=chance)
        return DataLoader(TensorDataset(noise + labels.view(-1, 1, 1, 1), labels), batch_size=8)

    def train_dataloader(self) -> DataLoader[Any]:
        return self.loader(0, 48)

    def val_dataloader(self) -> DataLoader[Any]:
        return self.loader(1, 16)


class Classifier(pl.LightningModule):
    def __init__(self, lr: float = 0.02) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.net = torch.nn.Sequential(
            torch.nn.Conv2d(1, 2, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(72, 2)
        )

    def step(self, batch: Any, stage: str) -> torch.Tensor:
        x, y = batch
        logits = self.net(x)
        loss = torch.nn.functional.cross_entropy(logits, y)
        accuracy = (logits.argmax(1) == y).float().mean()
        self.log_dict({f"{stage}_loss": loss, f"{stage}_acc": accuracy}, on_epoch=True)
        return loss

    def training_step(self, batch: Any, batch_idx: int) -> STEP_OUTPUT:
        return self.step(batch, "train")

    def validation_step(self, batch: Any, batch_idx: int) -> STEP_OUTPUT:
        self.step(batch, "val")
        return None

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.Adam(self.parameters(), lr=self.hparams["lr"])
        return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 2)]


def project(place: Path, kind: type[Any], more: list[Any]) -> dict[str, Any]:
    """What a training of the project leaves: files of its logger, checkpoints, where it stopped."""
    pl.seed_everything(7, verbose=False)
    theirs = kind(str(place / "logs"), name="vision", version="v")
    checkpoint = ModelCheckpoint(
        place / "models", filename="{epoch}-{val_acc:.2f}", monitor="val_loss", save_top_k=2, save_last=True
    )
    stopping = EarlyStopping("val_loss", patience=1, min_delta=0.05)
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=12,
        log_every_n_steps=4,
        logger=[theirs, *more],
        callbacks=[checkpoint, stopping, LearningRateMonitor()],
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=place,
    )
    trainer.fit(Classifier(), datamodule=Pictures())
    weights = torch.load(checkpoint.best_model_path, weights_only=True)["state_dict"]
    return {
        "files": sorted(str(path.relative_to(place)).partition("events.out")[0] for path in place.rglob("*")),
        "logged": told(theirs),
        "best": Path(checkpoint.best_model_path).name,
        "score": checkpoint.best_model_score,
        "kept": {Path(path).name: score for path, score in checkpoint.best_k_models.items()},
        "stopped": stopping.stopped_epoch,
        "steps": trainer.global_step,
        "log_dir": Path(trainer.log_dir or "").relative_to(place),
        "weights": {name: value.tolist() for name, value in weights.items()},
    }


def told(logger: Any) -> Any:
    """All that a logger wrote, without the times."""
    folder = Path(logger.log_dir)
    if isinstance(logger, CSVLogger):
        return {path.name: path.read_bytes() for path in folder.iterdir()}
    events = EventAccumulator(str(folder), {"scalars": 0}).Reload()
    scalars = {
        tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]
    }
    return scalars, (folder / "hparams.yaml").read_bytes()


@pytest.mark.parametrize("kind", [CSVLogger, TensorBoardLogger])
def test_a_project_with_our_logger_added_leaves_what_it_left_without(
    kind: type[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PL_GLOBAL_SEED", "7")
    monkeypatch.setenv("PL_SEED_WORKERS", "0")
    ours = logger_in(tmp_path / "store")
    with_us = project(tmp_path / "a", kind, [ours])
    monkeypatch.setenv("ETM_AUTO", "0")
    without = project(tmp_path / "b", kind, [])
    assert with_us == without
    assert 0 < with_us["stopped"] < 11
    assert len(with_us["kept"]) == 2
    stored = Store(tmp_path / "store").run("latest")
    assert stored.status == "finished"
    assert stored.params == {"lr": 0.02, "size": 8}
    assert {"train_loss_step", "train_loss_epoch", "val_acc", "lr-Adam"} <= set(stored.metrics)
    best = stored.best_checkpoint
    assert best is not None
    assert best.path == str(tmp_path / "a" / "models" / with_us["best"])
    assert best.score == with_us["score"].item()
    assert ours.failures == 0
    assert not (ours.folder.checkpoints).exists()
