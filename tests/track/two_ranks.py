"""Run by `test_two_ranks.py`: two ranks whose losses differ; both die at a step, or go on."""

from __future__ import annotations

import os
import signal
import sys
import warnings
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from etm_lightning import ETMLogger
from tests.track.lines import Line


class Dying(Line):
    """Dies at step ``AT``, like a node."""

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        if batch_idx == int(os.environ["AT"]):
            os.kill(os.getpid(), signal.SIGKILL)
        self.log("local", float(batch_idx + 100 * self.global_rank))
        return super().training_step(batch, batch_idx)


def main(strategy: str, ckpt_path: str | None) -> None:
    logger: Any = ETMLogger("p", all_ranks=True)
    trainer = pl.Trainer(
        accelerator="cpu", devices=2, strategy=strategy, logger=logger, max_epochs=1, log_every_n_steps=1,
        enable_progress_bar=False, enable_model_summary=False, limit_val_batches=0,
        callbacks=[ModelCheckpoint(every_n_train_steps=5, save_top_k=-1)],
    )  # fmt: skip
    trainer.fit(Dying(batches=24), ckpt_path=ckpt_path)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None)
