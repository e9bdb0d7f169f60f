"""The hardest predictions, against losses computed one by one."""

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, mse_loss

from etm_lightning import TopLosses
from etm_lightning.records import Media
from etm_lightning.text.modules import TextClassifier
from etm_lightning.text.tables import CSVData
from etm_lightning.text.top_losses import losses_of
from tests.contracts.case_wandb import name, records
from tests.text.conftest import write_csv
from tests.track.forge import forge
from tests.track.lines import logger_in, of_kind

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*does not have many workers",
    "ignore:The number of training batches",
)


def fit(make: Callable[..., pl.Trainer], folder: Path, settings: dict[str, Any], logger: Any) -> Any:
    pl.seed_everything(1, verbose=False)
    data = CSVData(str(write_csv(folder / "all.csv", 120)), validation_share=0.2, **settings)
    model = TextClassifier("tiny", lr=5e-3, **data.model_kwargs())
    make(logger=logger, callbacks=[TopLosses(k=5, width=12)]).fit(model, data)
    return model, data


def test_the_highest_losses_are_shown_with_text_label_and_prediction(
    tmp_path: Path, settings: dict[str, Any], trainer: Callable[..., pl.Trainer]
) -> None:
    logger = logger_in(tmp_path / "store")
    model, data = fit(trainer, tmp_path, settings, logger)
    [record] = of_kind(logger.folder, Media)
    assert (record.name, record.type) == ("val/top_losses", "table")
    assert (record.stage, record.step) == ("validate", 10)
    shown = json.loads((logger.folder.path / record.file).read_text())
    assert shown["columns"] == ["row", "text", "label", "prediction", "loss"]
    model.eval()
    losses: dict[int, float] = {}
    for batch in data.val_dataloader():
        with torch.no_grad():
            each = cross_entropy(model(batch), batch["labels"], reduction="none")
        losses |= dict(zip(batch["rows"].tolist(), each.tolist(), strict=True))
    expected = sorted(losses, key=lambda row: -losses[row])[:5]
    assert [row for row, *_ in shown["rows"]] == expected
    assert [row[-1] for row in shown["rows"]] == pytest.approx([losses[row] for row in expected], rel=1e-4)
    for row, text, label, prediction, loss in shown["rows"]:
        assert (text, label) == (data.rows["validate"][row].text[:12], data.rows["validate"][row].label)
        assert (prediction != label) or loss < 1.1


def test_tensorboard_alone_shows_them(
    tmp_path: Path, settings: dict[str, Any], trainer: Callable[..., pl.Trainer]
) -> None:
    fit(trainer, tmp_path, settings, logger := TensorBoardLogger(tmp_path))
    [told] = EventAccumulator(logger.log_dir).Reload().Tensors("val/top_losses/text_summary")
    lines = told.tensor_proto.string_val[0].decode().splitlines()
    assert lines[0] == "| row | text | label | prediction | loss |"
    assert len(lines) == 7


def test_wandb_alone_shows_them(tmp_path: Path) -> None:
    with forge() as scripts:
        code = scripts.run(
            tmp_path,
            """
            import lightning.pytorch as pl, wandb
            from lightning.pytorch.loggers import WandbLogger
            from tests.text.test_top_losses import fit
            from pathlib import Path

            names = ("enable_checkpointing", "enable_progress_bar", "enable_model_summary")
            quiet = dict.fromkeys(names, False)
            make = lambda **options: pl.Trainer(accelerator="cpu", max_epochs=1, **quiet, **options)
            settings = {"tokenizer": "tiny", "cache_dir": "cache", "batch_size": 8, "max_length": 64}
            fit(make, Path("."), settings, WandbLogger(save_dir=".", offline=True))
            wandb.finish()
            """,
            WANDB_SILENT="true",
        )
    assert not code, (tmp_path / "err").read_text()
    [path] = (tmp_path / "wandb").glob("offline-run-*/run-*.wandb")
    items = [(name(item), json.loads(item.value_json)) for r in records(path) for item in r.history.item]
    assert dict(items)["val/top_losses._type"] == "table-file"
    assert dict(items)["val/top_losses.nrows"] == 5


@pytest.mark.parametrize("task", ["multiclass", "binary", "multilabel", "regression"])
def test_losses_are_those_of_torch(task: str) -> None:
    chance = torch.Generator().manual_seed(0)
    shape = (7, 3) if task in ("multiclass", "multilabel") else (7,)
    logits = torch.randn(shape, generator=chance)
    if task == "multiclass":
        target = torch.randint(0, 3, (7,), generator=chance)
        scores, expected = logits.softmax(-1), cross_entropy(logits, target, reduction="none")
    elif task == "regression":
        target = torch.randn(7, generator=chance)
        scores, expected = logits, mse_loss(logits, target, reduction="none")
    else:
        target = torch.randint(0, 2, shape, generator=chance)
        each = binary_cross_entropy_with_logits(logits, target.float(), reduction="none")
        scores, expected = logits.sigmoid(), each.mean(-1) if task == "multilabel" else each
    assert losses_of(scores, target, task).tolist() == pytest.approx(expected.tolist(), rel=1e-5)


def test_another_model_is_refused_when_the_training_begins(trainer: Callable[..., pl.Trainer]) -> None:
    lines: Any = importlib.import_module("tests.track.lines")
    with pytest.raises(TypeError, match="`TopLosses` must watch a TextClassifier but got Line"):
        trainer(callbacks=[TopLosses()]).fit(lines.Line())
    with pytest.raises(ValueError, match="`k` must be at least 1 but got 0"):
        TopLosses(k=0)
