"""Projects that are not ours: nothing of theirs changes when our logger joins."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from lightning.fabric import Fabric
from lightning.pytorch.callbacks import EarlyStopping, LearningRateMonitor, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.utilities.types import STEP_OUTPUT
from torch.utils.data import DataLoader, TensorDataset

from etm_lightning.store.store import Store
from tests.track.lines import QUIET, logger_in, trainer

pytestmark = QUIET

ROOT = Path(__file__).parents[2]


class Vision(pl.LightningModule):
    """A tiny convolutional net on random images, which it learns by heart until it is stopped."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = torch.nn.Sequential(
            torch.nn.Conv2d(1, 2, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(72, 3)
        )

    def loss(self, batch: Any) -> torch.Tensor:
        images, labels = batch
        return torch.nn.functional.cross_entropy(self.net(images), labels)

    def training_step(self, batch: Any, batch_idx: int) -> STEP_OUTPUT:
        loss = self.loss(batch)
        self.log("train_loss", loss, on_step=True, on_epoch=True)
        return loss

    def validation_step(self, batch: Any, batch_idx: int) -> STEP_OUTPUT:
        self.log("val_loss", self.loss(batch))
        return None

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), lr=0.3)
        return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.5)]


def images(seed: int) -> DataLoader[Any]:
    random = torch.Generator().manual_seed(seed)
    pixels = torch.randn(12, 1, 8, 8, generator=random)
    return DataLoader(TensorDataset(pixels, torch.randint(0, 3, (12,), generator=random)), batch_size=4)


def project(place: Path, before: list[Any], after: list[Any]) -> dict[str, Any]:
    """Train as that project does; all that it has of it in the end."""
    csv = CSVLogger(place / "csv", version="v")
    saving = ModelCheckpoint(place / "saved", monitor="val_loss", save_top_k=2, save_last=True)
    stopping = EarlyStopping("val_loss", patience=2)
    callbacks = [saving, stopping, LearningRateMonitor("epoch")]
    run = trainer(
        [*before, csv, *after],
        max_epochs=30,
        log_every_n_steps=2,
        callbacks=callbacks,
        enable_checkpointing=True,
    )
    run.fit(Vision(), images(1), images(2))
    return {
        "metrics": (Path(csv.log_dir) / "metrics.csv").read_bytes(),
        "files": sorted(str(path.relative_to(place)) for path in place.rglob("*")),
        "best": (Path(saving.best_model_path).name, float(saving.best_model_score or 0)),
        "scores": {Path(path).name: float(score) for path, score in saving.best_k_models.items()},
        "stopped": (stopping.stopped_epoch, run.current_epoch, run.global_step),
    }


@pytest.mark.parametrize("first", [False, True], ids=["after their logger", "before it"])
def test_a_vision_project_keeps_its_values_checkpoints_and_stop(first: bool, tmp_path: Path) -> None:
    alone = project(tmp_path / "alone", [], [])
    logger = logger_in(tmp_path / "store")
    beside = project(tmp_path / "beside", [logger] if first else [], [] if first else [logger])
    assert 0 < alone["stopped"][0] < 29  # else nothing was stopped
    assert "saved/last.ckpt" in alone["files"]
    assert beside == alone
    run = Store(tmp_path / "store").run("latest")
    assert run.status == "finished"
    assert run.headline["val_loss"] == alone["best"][1]
    assert logger.failures == 0


def script(code: str, place: Path, *arguments: str) -> str:
    """Run a script of a stranger in its own folder; what it printed."""
    (place / "train.py").write_text(code)
    done = subprocess.run(
        [sys.executable, "train.py", *arguments],
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


CLI = """
from lightning.pytorch.cli import LightningCLI
from lightning.pytorch.demos.boring_classes import BoringModel
LightningCLI(BoringModel)
"""


def test_a_command_line_project_started_twice_is_two_runs(tmp_path: Path) -> None:
    options = {
        "logger": "etm_lightning.ETMLogger",
        "accelerator": "cpu",
        "max_epochs": "1",
        "limit_train_batches": "2",
        "limit_val_batches": "1",
        "enable_progress_bar": "false",
    }
    for _ in range(2):
        script(CLI, tmp_path, "fit", *(f"--trainer.{name}={value}" for name, value in options.items()))
    runs = Store(tmp_path / "etm_runs").runs()
    assert [run.status for run in runs] == ["finished", "finished"]
    assert len({run.id for run in runs}) == 2
    assert all((run.folder.path / "config.yaml").exists() for run in runs)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["etm_runs", "train.py"]


OLD_NAMESPACE = """
import sys
import pytorch_lightning as pl
from pytorch_lightning.demos.boring_classes import BoringModel
from etm_lightning import ETMCallback, ETMLogger

class Model(BoringModel):
    def training_step(self, batch, batch_idx):
        result = super().training_step(batch, batch_idx)
        self.log("train_loss", result["loss"])
        return result

logger = ETMLogger("p", "store")
assert isinstance(logger, pl.loggers.Logger)
trainer = pl.Trainer(
    logger=logger, accelerator="cpu", max_epochs=1, limit_train_batches=2, limit_val_batches=1,
    log_every_n_steps=1, enable_progress_bar=False, enable_model_summary=False,
)
trainer.fit(Model())
[ours] = [c for c in trainer.callbacks if isinstance(c, ETMCallback)]
assert isinstance(ours, pl.Callback)
assert "lightning.pytorch" not in sys.modules
"""


def test_a_project_of_the_old_namespace_never_loads_the_new_one(tmp_path: Path) -> None:
    script(OLD_NAMESPACE, tmp_path)
    run = Store(tmp_path / "store").run("latest")
    assert run.status == "finished"
    assert [(point.step, point.epoch) for point in run.series("train_loss")] == [(0, 0), (1, 0)]
    assert [checkpoint.step for checkpoint in run.checkpoints] == [2]


FABRIC = """
from lightning.fabric import Fabric
from etm_lightning import ETMLogger
fabric = Fabric(accelerator="cpu", devices=1, loggers=ETMLogger("p", "store"))
fabric.launch()
for loss in (3.0, 2.0):
    fabric.log("loss", loss)
fabric.log_dict({"a": 1, "b": 2.5})
fabric.log("loss", 1.0, step=10)
"""


def test_fabric_logs_with_and_without_a_step_and_its_run_ends_with_the_process(tmp_path: Path) -> None:
    script(FABRIC, tmp_path)
    run = Store(tmp_path / "store").run("latest")
    assert run.status == "finished"
    assert [(point.step, point.value) for point in run.series("loss")] == [(0, 3.0), (1, 2.0), (10, 1.0)]
    assert [[(p.step, p.value) for p in run.series(name)] for name in "ab"] == [[(2, 1.0)], [(2, 2.5)]]


def test_fabric_takes_our_logger_beside_another(tmp_path: Path) -> None:
    ours = logger_in(tmp_path / "store")
    theirs = CSVLogger(tmp_path / "csv")
    fabric = Fabric(accelerator="cpu", devices=1, loggers=[theirs, ours])
    assert not (tmp_path / "store").exists()
    fabric.log_dict({"a": 1.0}, step=4)
    ours.finalize("success")
    assert [(p.step, p.value) for p in Store(tmp_path / "store").run("latest").series("a")] == [(4, 1.0)]
