"""The two models: one label for a text, one tag for each word."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, mse_loss

from etm_lightning.text.entities import Scheme
from etm_lightning.text.finetune import EncoderModule, plain
from etm_lightning.text.metrics import Task, tagging_metrics, task_metrics
from etm_lightning.text.optimization import Schedule


def check_labels(task: str, labels: list[str] | None) -> int:
    """Give the number of outputs that a task's labels ask for.

    Raises:
        ValueError: for an unknown task, or labels that do not fit it.

    >>> check_labels("binary", ["no", "yes"]), check_labels("multiclass", ["a", "b", "c"])
    (1, 3)
    """
    if task not in get_args(Task):
        near = difflib.get_close_matches(task, get_args(Task), n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"`model.task` must be one of {', '.join(get_args(Task))} but got {task!r}{hint}")
    if task == "regression":
        return 1
    if not labels or len(labels) < 2 or (task == "binary" and len(labels) != 2):
        wanted = "exactly two names" if task == "binary" else "at least two names"
        raise ValueError(f"`model.labels` must be {wanted} for task={task} but got {labels}")
    return 1 if task == "binary" else len(labels)


def check_weights(weights: Sequence[float] | None, count: int) -> Tensor | None:
    """Turn class weights into a tensor.

    Raises:
        ValueError: where there is not one per label.
    """
    if weights is not None and len(weights) != count:
        raise ValueError(f"`model.class_weights` must have {count} values (labels) but got {len(weights)}")
    return None if weights is None else torch.tensor(list(weights), dtype=torch.float)


def make_head(config: Any, outputs: int, dropout: float) -> nn.Sequential:
    """Make a head as BERT's authors did: dropout, then weights as the encoder's own began with.

    Source: Devlin et al. 2019, whose truncated normal of sd 0.02 is `initializer_range` in configurations.
    """
    linear = nn.Linear(config.hidden_size, outputs)
    nn.init.normal_(linear.weight, std=getattr(config, "initializer_range", 0.02))
    nn.init.zeros_(linear.bias)
    return nn.Sequential(nn.Dropout(dropout), linear)


class TextClassifier(EncoderModule):
    """A label, several labels or a number for a text (or a pair of texts).

    Args:
        encoder: hub name, local folder, `minilm` or `tiny`.
        labels: names in the order of the ids; None for regression. `binary`: the second one is the positive.
        task: `multiclass`, `binary`, `multilabel` or `regression`.
        lr: top learning rate, > 0.
        weight_decay: AdamW's, ≥ 0, not on biases and norms.
        warmup: share of all steps (float in [0, 1]) or number of steps (int).
        schedule: `linear`, `cosine` or `constant`.
        dropout: before the head, in [0, 1).
        pooling: `mean` over the tokens, or `cls` (the first one).
        class_weights: one per label, on the loss.
        freeze: number of bottom layers (and the embeddings) that stay as they are; 0 for none.
        layer_decay: factor on the learning rate per layer going down, in (0, 1].
        encoder_config: put into checkpoints by us, so that loading one needs no network.

    Raises:
        ValueError: for an argument out of its range.
        FileNotFoundError: where the encoder cannot be had.

    >>> TextClassifier("tiny", labels=["no", "yes"], task="binary").parameter_counts()["trainable"] > 0
    True
    """

    def __init__(
        self,
        encoder: str = "minilm",
        labels: list[str] | None = None,
        task: Task = "multiclass",
        lr: float = 3e-5,
        weight_decay: float = 0.01,
        warmup: float = 0.1,
        schedule: Schedule = "linear",
        dropout: float = 0.1,
        pooling: Literal["mean", "cls"] = "mean",
        class_weights: list[float] | None = None,
        freeze: int = 0,
        layer_decay: float = 1.0,
        encoder_config: dict[str, Any] | None = None,
    ) -> None:
        labels, class_weights = plain(labels), plain(class_weights)
        outputs = check_labels(task, labels)
        if pooling not in ("mean", "cls"):
            raise ValueError(f"`model.pooling` must be 'mean' or 'cls' but got {pooling!r}")
        super().__init__(
            encoder, encoder_config, lr=lr, weight_decay=weight_decay, warmup=warmup, schedule=schedule,
            freeze=freeze, layer_decay=layer_decay,
        )  # fmt: skip
        self.save_hyperparameters(ignore=["encoder_config"])
        self.labels, self.task, self.pooling = labels, task, pooling
        self.head = make_head(self.encoder.config, outputs, dropout)
        self.register_buffer("weights", check_weights(class_weights, len(labels or [])), persistent=False)
        self.watch(task_metrics(task, outputs))

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        """Give logits, float, shape (batch, outputs); one output is squeezed to (batch,)."""
        hidden = self.encode(batch)
        if self.pooling == "cls":
            pooled = hidden[:, 0]
        else:
            mask = batch["attention_mask"].unsqueeze(-1).to(hidden.dtype)
            pooled = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1)
        logits: Tensor = self.head(pooled).float()
        return logits.squeeze(-1) if self.task in ("binary", "regression") else logits

    def scores_of(self, logits: Tensor) -> Tensor:
        """Turn logits into probabilities in [0, 1] (regression: values as they are)."""
        if self.task == "regression":
            return logits
        return logits.softmax(-1) if self.task == "multiclass" else logits.sigmoid()

    def loss(self, logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Sum the weighted losses of a batch, and their weights: their ratio is the mean loss.

        Args:
            logits: float, shape (batch,) or (batch, classes).
            target: class ids (integer), or 0/1 or values (float), shape (batch,) or (batch, labels).
        """
        weights: Any = self.weights
        ones = torch.ones(len(logits), device=logits.device)
        if self.task == "multiclass":
            each = cross_entropy(logits, target, reduction="none")
            share = ones if weights is None else weights[target]
            return (each * share).sum(), share.sum()
        if self.task == "regression":
            return mse_loss(logits, target, reduction="sum"), ones.sum()
        if self.task == "binary":
            share = ones if weights is None else weights[target.long()]
            each = binary_cross_entropy_with_logits(logits, target, reduction="none")
            return (each * share).sum(), share.sum()
        each = binary_cross_entropy_with_logits(logits, target, pos_weight=weights, reduction="none")
        return each.mean(-1).sum(), ones.sum()

    def outputs(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        logits, target = self(batch), batch["labels"]
        total, weight = self.loss(logits, target)
        truth = target if self.task in ("multiclass", "regression") else target.long()
        return self.scores_of(logits.detach()), truth, total, weight

    def predict_step(self, batch: dict[str, Tensor], batch_idx: int = 0) -> list[dict[str, Any]]:
        """Predict a batch.

        Returns:
            One dict per row: `row` (its number), `label` (a name, a list of names, or a number) and
            `probabilities` (by name; none for regression).
        """
        scores = self.scores_of(self(batch)).tolist()
        rows = batch["rows"].tolist() if "rows" in batch else range(len(scores))
        return [{"row": row, **self.name(score)} for row, score in zip(rows, scores, strict=True)]

    def name(self, score: Any) -> dict[str, Any]:
        """Name what one row's scores say."""
        if self.task == "regression":
            return {"label": score}
        names = self.labels or []
        chances = [1 - score, score] if self.task == "binary" else score
        probabilities = dict(zip(names, chances, strict=True))
        if self.task == "multilabel":
            said = [name for name, chance in probabilities.items() if chance >= 0.5]
            return {"label": said, "probabilities": probabilities}
        best = max(probabilities, key=lambda n: probabilities[n])
        return {"label": best, "probabilities": probabilities}


class TokenClassifier(EncoderModule):
    """A BIO tag for each word.

    Args:
        encoder: hub name, local folder, `minilm` or `tiny`.
        labels: tag names in the order of the ids (`O`, `B-PER`, `I-PER`, …).
        scheme: how entities are counted: `default` (CoNLL script) or `strict` (IOB2).
        lr: top learning rate, > 0.
        weight_decay: AdamW's, ≥ 0, not on biases and norms.
        warmup: share of all steps (float in [0, 1]) or number of steps (int).
        schedule: `linear`, `cosine` or `constant`.
        dropout: before the head, in [0, 1).
        class_weights: one per tag, on the loss.
        freeze: number of bottom layers (and the embeddings) that stay as they are; 0 for none.
        layer_decay: factor on the learning rate per layer going down, in (0, 1].
        encoder_config: put into checkpoints by us, so that loading one needs no network.

    Raises:
        ValueError: for an argument out of its range.
        FileNotFoundError: where the encoder cannot be had.

    >>> TokenClassifier("tiny", labels=["O", "B-PER", "I-PER"]).labels
    ['O', 'B-PER', 'I-PER']
    """

    def __init__(
        self,
        encoder: str = "minilm",
        labels: list[str] | None = None,
        scheme: Scheme = "default",
        lr: float = 5e-5,
        weight_decay: float = 0.01,
        warmup: float = 0.1,
        schedule: Schedule = "linear",
        dropout: float = 0.1,
        class_weights: list[float] | None = None,
        freeze: int = 0,
        layer_decay: float = 1.0,
        encoder_config: dict[str, Any] | None = None,
    ) -> None:
        labels, class_weights = plain(labels), plain(class_weights)
        outputs = check_labels("multiclass", labels)
        super().__init__(
            encoder, encoder_config, lr=lr, weight_decay=weight_decay, warmup=warmup, schedule=schedule,
            freeze=freeze, layer_decay=layer_decay,
        )  # fmt: skip
        self.save_hyperparameters(ignore=["encoder_config"])
        self.labels = labels or []
        self.head = make_head(self.encoder.config, outputs, dropout)
        self.register_buffer("weights", check_weights(class_weights, outputs), persistent=False)
        self.watch(tagging_metrics(self.labels, scheme))

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        """Give logits, float, shape (batch, length, tags)."""
        logits: Tensor = self.head(self.encode(batch)).float()
        return logits

    def loss(self, logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Sum the weighted losses of a batch's labelled positions, and their weights.

        Args:
            logits: float, shape (batch, length, tags).
            target: tag ids, -100 where there is none, shape (batch, length).
        """
        kept = target != -100
        each = cross_entropy(logits[kept], target[kept], reduction="none")
        weights: Any = self.weights
        share = torch.ones_like(each) if weights is None else weights[target[kept]]
        return (each * share).sum(), share.sum()

    def outputs(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        logits, target = self(batch), batch["labels"]
        total, weight = self.loss(logits, target)
        words = target if "words" not in batch else target.masked_fill(~batch["words"], -100)
        return logits.detach().argmax(-1), words, total, weight

    def predict_step(self, batch: dict[str, Tensor], batch_idx: int = 0) -> list[dict[str, Any]]:
        """Predict a batch.

        Returns:
            One dict per sentence: `row` (its number), `tags` and `probabilities` (of that tag), one per word.
        """
        chances, tags = self(batch).softmax(-1).max(-1)
        words = batch["words"] if "words" in batch else batch["attention_mask"].bool()
        rows = batch["rows"].tolist() if "rows" in batch else list(range(len(tags)))
        return [
            {
                "row": row,
                "tags": [self.labels[i] for i in tags[at][words[at]].tolist()],
                "probabilities": chances[at][words[at]].tolist(),
            }
            for at, row in enumerate(rows)
        ]
