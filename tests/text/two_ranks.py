"""Run by `test_two_ranks.py` in a process of its own: fit or test, and write what was measured."""

import json
import os
import sys
import warnings
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch

from etm_lightning.text.conll import CoNLLData
from etm_lightning.text.modules import TextClassifier, TokenClassifier
from etm_lightning.text.tables import CSVData


def build(kind: str, folder: Path) -> tuple[pl.LightningModule, Any]:
    common: dict[str, Any] = {
        "tokenizer": "tiny", "cache_dir": str(folder / "cache"), "batch_size": 8, "eval_batch_size": 16,
    }  # fmt: skip
    pl.seed_everything(7, verbose=False)
    if kind == "tags":
        tags = CoNLLData(dir=str(folder), **common)
        return TokenClassifier("tiny", lr=5e-3, **tags.model_kwargs()), tags
    if kind == "values":
        values = CSVData(str(folder / "values.csv"), task="regression", test_share=0.4, **common)
        return TextClassifier("tiny", task="regression"), values
    texts = CSVData(str(folder / "texts.csv"), test_share=0.4, **common)
    return TextClassifier("tiny", lr=5e-3, **texts.model_kwargs()), texts


class Written(pl.Callback):
    """Writes the metrics on rank 0, where the processes are."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._write(trainer, pl_module)

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._write(trainer, pl_module)

    def _write(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.is_global_zero:
            values: dict[str, Any] = {n: v.item() for n, v in trainer.callback_metrics.items()}
            confusion: Any = getattr(pl_module, "confusion", {})
            values["confusion"] = {stage: table.tolist() for stage, table in confusion.items()}
            self.file.write_text(json.dumps(values))


def main(kind: str, ranks: int, fits: bool, folder: Path, file: Path) -> None:
    model, data = build(kind, folder)
    trainer = pl.Trainer(
        accelerator="cpu", devices=ranks, strategy="ddp_spawn" if ranks > 1 else "auto", logger=False,
        max_epochs=2, enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False,
        default_root_dir=folder, callbacks=[Written(file)],
    )  # fmt: skip
    if fits:
        trainer.fit(model, data)
    else:
        trainer.test(model, data, verbose=False)


if __name__ == "__main__":
    os.environ["ETM_AUTO"] = "0"
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3] == "fit", Path(sys.argv[4]), Path(sys.argv[5]))
