"""The examples of validation that a classifier gets most wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy, mse_loss

from etm_lightning.text.modules import TextClassifier
from etm_lightning.track.monitor import Measured
from etm_lightning.track.on_lightning import Monitor
from etm_lightning.track.show import Table

COLUMNS = ("row", "text", "label", "prediction", "loss")
LEAST = 1e-38  # a probability of 0 still has a loss


class TopLosses(Monitor):  # type: ignore[misc,unused-ignore]
    """A table of the hardest predictions after each validation: ``val/top_losses``, the highest loss first.

    Columns: row of the validation split, text, label, prediction, loss (without class weights). It is for
    `TextClassifier`; with several processes the rows are those that rank 0 evaluates. The highest are kept on
    the device and fetched once at the end.

    Args:
        k: how many, at least 1.
        width: characters of a text to show.

    Raises:
        ValueError: if `k` is less than 1.
        TypeError: when training begins, if the model is not a `TextClassifier`.
    """

    on = "validation_end"

    def __init__(self, k: int = 20, width: int = 500) -> None:
        super().__init__()
        if k < 1:
            raise ValueError(f"`k` must be at least 1 but got {k}")
        self.k, self.width = k, width
        self._held: list[Tensor] = []

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        if not isinstance(pl_module, TextClassifier):
            kind = type(pl_module).__name__
            raise TypeError(f"`TopLosses` must watch a TextClassifier but got {kind}: leave the callback out")

    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        self._held = []

    def on_validation_batch_end(
        self,
        trainer: Any,
        pl_module: Any,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        scores, target = outputs["scores"], outputs["target"]
        found = [losses_of(scores, target, pl_module.task), batch["rows"], scores, target]
        held = [torch.cat(pair) for pair in zip(self._held, found, strict=True)] if self._held else found
        best = held[0].topk(min(self.k, len(held[0]))).indices
        self._held = [part[best] for part in held]

    def measure(self, trainer: Any, module: Any) -> Mapping[str, Measured]:
        if not self._held:
            return {}
        losses, rows, scores, targets = (part.tolist() for part in self._held)
        self._held = []
        data = trainer.datamodule
        shown = [
            (row, _text(data, row)[: self.width], _label(module, target), _name(module, score), loss)
            for loss, row, score, target in zip(losses, rows, scores, targets, strict=True)
        ]
        return {"val/top_losses": Table(COLUMNS, shown)}


def losses_of(scores: Tensor, target: Tensor, task: str) -> Tensor:
    """The loss of each row, without class weights, shape (batch,).

    Args:
        scores: probabilities, shape (batch,) or (batch, classes); values for regression.
        target: class ids, 0/1 or values.
        task: as for `TextClassifier`.

    >>> losses_of(torch.tensor([[0.5, 0.5], [1.0, 0.0]]), torch.tensor([0, 0]), "multiclass")
    tensor([0.6931, -0.0000])
    """
    if task == "multiclass":
        return -scores.gather(1, target[:, None]).squeeze(1).clamp(min=LEAST).log()
    if task == "regression":
        return mse_loss(scores, target, reduction="none")
    each = binary_cross_entropy(scores, target.to(scores.dtype), reduction="none")
    return each.mean(-1) if task == "multilabel" else each


def _text(data: Any, row: int) -> str:
    """The text of a row of validation, if the data are ours."""
    rows = getattr(data, "rows", {}).get("validate", ())
    text = rows[row].text if row < len(rows) else ""
    return text if isinstance(text, str) else " ".join(text)


def _label(module: TextClassifier, target: Any) -> Any:
    if module.task == "regression":
        return target
    names = module.labels or []
    if module.task == "multilabel":
        return ", ".join(name for name, true in zip(names, target, strict=True) if true)
    return names[int(target)]


def _name(module: TextClassifier, score: Any) -> Any:
    label = module.name(score)["label"]
    return ", ".join(label) if isinstance(label, list) else label
