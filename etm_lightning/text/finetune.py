"""What every fine-tuned encoder shares: loading, optimizer, losses and metrics by stage, checkpoints."""

from __future__ import annotations

import inspect
import math
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torchmetrics import MetricCollection

from etm_lightning.text.encoders import encoder_config, load_encoder
from etm_lightning.text.metrics import WeightedMean
from etm_lightning.text.optimization import Schedule, factor, freeze_bottom, parameter_groups, scheduler
from etm_lightning.text.optimization import warmup_steps as check_warmup

STAGES = {"validate": "val", "test": "test"}  # the words of the records, and the names of the metrics
ENCODER_INPUTS = ("input_ids", "attention_mask", "token_type_ids")


def plain(values: Any) -> list[Any] | None:
    """Turn a list of any make (OmegaConf's too) into a plain one, for checkpoints.

    >>> plain(("a", "b"))
    ['a', 'b']
    """
    return None if values is None else list(values)


class EncoderModule(pl.LightningModule):
    """An encoder with a head: the parent of our classifier and tagger.

    Children make `self.head`, call `watch`, and give
    `outputs(batch) -> (scores for the metrics, target, loss sum, loss weight)`.

    Args:
        encoder: hub name, local folder, `minilm` or `tiny`.
        encoder_config: configuration from a checkpoint; then no weights are fetched.
        lr: top learning rate, > 0.
        weight_decay: AdamW's, ≥ 0, not on biases and norms.
        warmup: share of all steps (float) or steps (int).
        schedule: `linear`, `cosine` or `constant`.
        freeze: number of bottom layers (and the embeddings) that stay as they are.
        layer_decay: factor on the learning rate per layer going down, in (0, 1].
    """

    def __init__(
        self,
        encoder: str,
        encoder_config: dict[str, Any] | None,
        *,
        lr: float,
        weight_decay: float,
        warmup: float,
        schedule: Schedule,
        freeze: int,
        layer_decay: float,
    ) -> None:
        super().__init__()
        if not lr > 0:
            raise ValueError(f"`model.lr` must be > 0 but got {lr}")
        if not 0 < layer_decay <= 1:
            raise ValueError(f"`model.layer_decay` must be in (0, 1] but got {layer_decay}")
        factor(schedule, check_warmup(warmup, 1), 1)
        self.rates = {"lr": lr, "weight_decay": weight_decay, "layer_decay": layer_decay}
        self.plan: tuple[Schedule, float] = (schedule, warmup)
        self.encoder: Any = load_encoder(encoder, encoder_config)
        freeze_bottom(self.encoder, freeze)
        accepted = inspect.signature(self.encoder.forward).parameters
        self.inputs = [name for name in ENCODER_INPUTS if name in accepted]
        self.confusion: dict[str, Tensor] = {}

    def watch(self, metrics: MetricCollection) -> None:
        """Measure these on validation and test, each stage with states of its own."""
        self.scores = nn.ModuleDict({s: metrics.clone(prefix=f"{s}/") for s in STAGES.values()})
        self.losses = nn.ModuleDict({s: WeightedMean() for s in STAGES.values()})
        # constants: DDP need not send them around, so ranks may have different numbers of batches
        self._ddp_params_and_buffers_to_ignore = [name for name, _ in self.named_buffers()]

    def encode(self, batch: dict[str, Tensor]) -> Tensor:
        """Give hidden states, float, shape (batch, length, hidden)."""
        inputs = {name: batch[name] for name in self.inputs if name in batch}
        return self.encoder(**inputs).last_hidden_state  # type: ignore[no-any-return]

    def outputs(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        raise NotImplementedError

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        _, _, total, weight = self.outputs(batch)
        loss = total / weight.clamp(min=1e-9)
        self.log("train/loss", loss, prog_bar=True, batch_size=len(batch["input_ids"]))
        return loss

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> dict[str, Tensor]:
        """Measure a batch.

        Returns:
            `scores` and `target` of each row, for callbacks such as `TopLosses`.
        """
        scores, target = self._measure("val", batch)
        return {"scores": scores, "target": target}

    def test_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        self._measure("test", batch)

    def on_validation_epoch_start(self) -> None:
        self._begin("validate")

    def on_test_epoch_start(self) -> None:
        self._begin("test")

    def on_validation_epoch_end(self) -> None:
        self._conclude("validate")

    def on_test_epoch_end(self) -> None:
        self._conclude("test")

    def _begin(self, stage: str) -> None:
        # `ddp_spawn` hands all processes the same memory for the states; a reset gives each its own
        for metric in (self.losses[STAGES[stage]], self.scores[STAGES[stage]]):
            metric.reset()  # type: ignore[operator]

    def _measure(self, prefix: str, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        scores, target, total, weight = self.outputs(batch)
        self.losses[prefix].update(total, weight)  # type: ignore[operator]
        self.scores[prefix].update(scores, target)  # type: ignore[operator]
        return scores, target

    def _conclude(self, stage: str) -> None:
        prefix = STAGES[stage]
        loss: Any = self.losses[prefix]
        scores: Any = self.scores[prefix]
        values = {f"{prefix}/loss": loss.compute(), **scores.compute()}
        loss.reset()
        scores.reset()
        confusion = values.pop(f"{prefix}/confusion", None)
        if self.trainer.sanity_checking:
            return
        if confusion is not None:
            self.confusion[stage] = confusion.cpu()
        # equal on all ranks already; "max" keeps them so and quiets Lightning's advice to reduce
        shown = {n: float(v) for n, v in values.items() if n.endswith("/loss") or math.isfinite(v)}
        self.log_dict(shown, on_epoch=True, sync_dist=True, reduce_fx="max", batch_size=1)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        groups = parameter_groups(self, self.encoder, **self.rates)
        optimizer = torch.optim.AdamW(groups, lr=self.rates["lr"])
        kind, warmup = self.plan
        plan = scheduler(optimizer, kind, warmup, self.trainer.estimated_stepping_batches)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": plan, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        held = checkpoint.setdefault(self.CHECKPOINT_HYPER_PARAMS_KEY, {})
        held["encoder_config"] = encoder_config(self.encoder)

    def parameter_counts(self) -> dict[str, int]:
        """Count parameters: `total`, `trainable`, `encoder`."""
        sizes = [(p.numel(), p.requires_grad) for p in self.parameters()]
        return {
            "total": sum(n for n, _ in sizes),
            "trainable": sum(n for n, free in sizes if free),
            "encoder": sum(p.numel() for p in self.encoder.parameters()),
        }
