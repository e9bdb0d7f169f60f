"""The same under `pytorch_lightning`, and in Fabric."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

from lightning.fabric import Fabric
from lightning.fabric.loggers.csv_logs import CSVLogger
from lightning.fabric.loggers.logger import Logger

from etm_lightning import ETMLogger
from etm_lightning.store.store import Store
from tests.track.lines import logger_in, only_run, points

OLD = """
    import sys
    from etm_lightning import ETMLogger
    import pytorch_lightning as pl
    from pytorch_lightning.callbacks import Callback, ModelCheckpoint
    from pytorch_lightning.loggers import CSVLogger, Logger
    import torch
    from torch.utils.data import DataLoader, TensorDataset
    from etm_lightning import (
        ETMCallback,
        GradientNorm,
        Monitor,
        Numerics,
        Throughput,
        TimeLeft,
        fast_log,
    )

    assert issubclass(GradientNorm, Monitor)
    assert issubclass(Monitor, Callback) and issubclass(ETMCallback, Callback)

    class Model(pl.LightningModule):
        def __init__(self):
            super().__init__()
            self.save_hyperparameters({"lr": 0.1})
            self.line = torch.nn.Linear(1, 1)
        def training_step(self, batch, i):
            loss = self.line(batch[0]).square().mean()
            self.log("train/loss", loss)
            fast_log(self, {"fast/loss": loss}, on_epoch=True)
            return loss
        def validation_step(self, batch, i):
            self.log("val/loss", self.line(batch[0]).square().mean(), on_step=True, on_epoch=True)
        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), 0.1)

    class Slope(Monitor):
        every_n_steps = 2
        def measure(self, trainer, module):
            return {"slope": module.line.weight.item()}

    data = DataLoader(TensorDataset(torch.ones(8, 1)), batch_size=2)
    quiet = dict(accelerator="cpu", enable_progress_bar=False, enable_model_summary=False)
    quiet["log_every_n_steps"] = 1
    logger = ETMLogger("p")
    watch = [Slope(), GradientNorm(every_n_steps=2), Throughput(every_n_steps=2), Numerics(every_n_steps=2)]
    watch += [TimeLeft(every_n_steps=2)]
    trainer = pl.Trainer(logger=[logger, CSVLogger(".")], callbacks=watch, max_epochs=2, **quiet)
    trainer.fit(Model(), data, data)
    assert isinstance(logger, Logger)
    assert sum(isinstance(callback, ETMCallback) for callback in trainer.callbacks) == 1
    assert trainer.log_dir == logger.log_dir
    assert trainer.checkpoint_callback.dirpath == str(logger.folder.checkpoints)
    assert "lightning.pytorch" not in sys.modules
    second = ETMLogger("p")
    trainer = pl.Trainer(logger=second, max_epochs=3, **quiet)
    trainer.fit(Model(), data, data, ckpt_path=next(logger.folder.checkpoints.iterdir()))
    assert second.version == logger.version
    raise ValueError("in the end")
"""


def test_pytorch_lightning_alone_is_followed_as_lightning_is(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(OLD)],
        cwd=tmp_path,
        env=os.environ | {"ETM_STORE": str(tmp_path / "store")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr.endswith("ValueError: in the end\n"), done.stderr
    stored = Store(tmp_path / "store").run("latest")
    assert (stored.status, stored.attempts, stored.params) == ("finished", 2, {"lr": 0.1})
    folder = only_run(tmp_path / "store")
    assert points(folder, "train/loss") == [("train", "step", n, n // 4) for n in range(12)]
    assert points(folder, "fast/loss_step") == points(folder, "train/loss")
    assert points(folder, "fast/loss_epoch") == [("train", "step", n, n // 4) for n in (3, 7, 11)]
    assert {p[:2] for p in points(folder, "val/loss_step")} == {("validate", "eval_batch")}
    assert [p[2] for p in points(folder, "slope")] == [0, 2, 4, 6]


def test_fabric_logs_with_and_without_steps(tmp_path: Path) -> None:
    logger = logger_in(tmp_path / "store")
    assert issubclass(ETMLogger, Logger)
    theirs: Any = CSVLogger(tmp_path / "csv")
    fabric = Fabric(accelerator="cpu", devices=1, loggers=[theirs, logger])
    fabric.launch()
    fabric.log("loss", 0.5)
    fabric.log_dict({"loss": 0.25, "lr": 0.1})
    fabric.log("loss", 0.125, step=10)
    fabric.log("loss", 0.0625)
    assert [p[2] for p in points(logger.folder, "loss")] == [0, 1, 10, 11]
    assert logger.failures == 0
    logger.finalize("success")


def test_fabric_alone_ends_its_run_with_the_process(tmp_path: Path) -> None:
    pid = os.fork()
    if not pid:
        logger: Any = ETMLogger("p", tmp_path)
        Fabric(accelerator="cpu", devices=1, loggers=logger).log("loss", 1.0)
        from etm_lightning.track.shipping.keeper import _at_exit

        _at_exit()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    assert Store(tmp_path).run("latest").status == "finished"
