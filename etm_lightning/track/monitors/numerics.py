"""Losses and gradients that are no numbers or jump, and what led to it."""

from __future__ import annotations

import json
import math
import statistics
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from etm_lightning.track.clocks import logger_step, rank_of
from etm_lightning.track.monitor import Measured, Measuring
from etm_lightning.track.monitors.norms import norms_of, read, stacked
from etm_lightning.track.show import attach, folder_of, tell
from etm_lightning.track.spikes import Spikes


@dataclass
class Batch:
    """What is remembered of a batch; `loss` and `norm` lie on the device until they are looked at."""

    step: int
    epoch: int
    batch: int
    rows: Any
    loss: Any
    norm: Any = None
    number: float = field(default=math.nan)
    grad: float = field(default=math.nan)

    def told(self) -> dict[str, Any]:
        rows = self.rows.tolist() if hasattr(self.rows, "tolist") else self.rows
        known = {"rows": list(rows)} if rows is not None else {}
        norm = {} if self.norm is None else {"grad_norm": _plain(self.grad)}
        place = {"step": self.step, "epoch": self.epoch, "batch": self.batch}
        return {**place, **known, "loss": _plain(self.number), **norm}


class Numerics(Measuring):
    """Watches every batch for a loss or gradient that is NaN or infinite, and for a loss that jumps.

    What it finds is an alert in every logger and one line in the terminal, once until it is over; a JSON file
    ``numerics/step<n>-<what>.json`` in the run's folder tells the last batches: their rows, losses and norms.
    It also gives ``numerics/loss_median``, ``numerics/loss_max`` and ``numerics/grad_norm_max`` over the
    steps since the last look, and ``numerics/nonfinite``, in how many batches something was not finite.

    Losses and norms stay on the device until every `every_n_steps` steps and at the end one transfer
    fetches them: so often something is found. With a gradient scaler, gradients that are not finite are how
    it finds its scale, and no alert. A jump is told as `Spikes` does.

    Args:
        spike: how far is a jump of the loss, in standard deviations; 0 for never.
        window: how many losses to compare with.
        keep: how many batches the file tells.
        stop: also end the training after the step, on all ranks.
        gradients: also watch gradients, which takes a foreach kernel each step.
        rows: which rows of the data a batch has; by default what it has as ``rows``, as ours have.
        every_n_steps: how often to look, in optimizer batches.
    """

    def __init__(
        self,
        spike: float = 10.0,
        window: int = 100,
        keep: int = 20,
        stop: bool = False,
        gradients: bool = True,
        rows: Callable[[Any], Sequence[int]] | None = None,
        every_n_steps: int | None = None,
    ) -> None:
        super().__init__(every_n_steps)
        self.spike, self.window, self.keep = spike, window, keep
        self.stop, self.gradients, self._rows = stop, gradients, rows or _rows
        self._forget()

    def _forget(self) -> None:
        self._spikes = Spikes(self.spike, window=self.window)
        self._fresh: list[Batch] = []
        self._seen: deque[Batch] = deque(maxlen=self.keep)
        self._norm: Any = None
        self._told: set[str] = set()
        self._found = False

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        super().on_train_start(trainer, pl_module)
        self._forget()

    def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
        if not self.gradients:
            return
        grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        if grads:
            self._norm = sys.modules["torch"].linalg.vector_norm(stacked(norms_of(grads)))

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any = None, batch: Any = None, batch_idx: int = 0
    ) -> None:
        loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
        norm, self._norm = self._norm, None
        if loss is not None:
            if pl_module.automatic_optimization and trainer.accumulate_grad_batches > 1:
                loss = loss * trainer.accumulate_grad_batches  # Lightning divided it
            place = logger_step(trainer), trainer.current_epoch, batch_idx
            self._fresh.append(Batch(*place, self._rows(batch), loss.detach(), norm))
        super().on_train_batch_end(trainer, pl_module)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        self._look(trainer)

    def measure(self, trainer: Any, module: Any) -> Mapping[str, Measured]:
        looked = self._look(trainer)
        if self.stop and trainer.strategy.reduce_boolean_decision(self._found, all=False):
            trainer.should_stop = True
        losses = [batch.number for batch in looked if math.isfinite(batch.number)]
        norms = [batch.grad for batch in looked if math.isfinite(batch.grad)]
        found = {"numerics/nonfinite": float(sum(not _finite(batch) for batch in looked))}
        if losses:
            found |= {"numerics/loss_median": statistics.median(losses), "numerics/loss_max": max(losses)}
        return found | ({"numerics/grad_norm_max": max(norms)} if norms else {})

    def _look(self, trainer: Any) -> list[Batch]:
        """Fetch what the device has and judge it, batch by batch."""
        fresh, self._fresh = self._fresh, []
        with_norm = [batch for batch in fresh if batch.norm is not None]
        numbers = read([*(b.loss for b in fresh), *(b.norm for b in with_norm)]) if fresh else []
        for batch, number in zip(fresh, numbers, strict=False):
            batch.number, batch.loss = number, None
        for batch, number in zip(with_norm, numbers[len(fresh) :], strict=True):
            batch.grad, batch.norm = number, True
        for batch in fresh:
            self._seen.append(batch)
            self._judge(trainer, batch)
        return fresh

    def _judge(self, trainer: Any, batch: Batch) -> None:
        scaled = getattr(trainer.precision_plugin, "scaler", None) is not None
        lost = not math.isfinite(batch.number)
        self._condition(trainer, "loss", lost, f"the loss is {batch.number}", batch)
        if batch.norm is not None and not lost and not scaled:  # of such a loss they are what they must be
            title = f"the norm of the gradients is {batch.grad}"
            self._condition(trainer, "gradients", not math.isfinite(batch.grad), title, batch)
        if self.spike and math.isfinite(batch.number):
            limit = self._spikes.limit() if self._spikes.outlying(batch.number) else 0.0
            if self._spikes.add(batch.number):
                self._tell(
                    trainer, "spike", f"the loss jumped to {batch.number:.4g}", f"above {limit:.4g}", batch
                )

    def _condition(self, trainer: Any, name: str, wrong: bool, title: str, batch: Batch) -> None:
        """Tell what is wrong once, until it is not wrong any more."""
        if not wrong:
            self._told.discard(name)
        elif name not in self._told:
            self._told.add(name)
            self._tell(trainer, name, title, "", batch)

    def _tell(self, trainer: Any, kind: str, title: str, text: str, batch: Batch) -> None:
        self._found = True
        path = self._write(trainer, kind, title, text, batch)
        if not trainer.is_global_zero:
            return
        where = f"epoch {batch.epoch}, batch {batch.batch}; the batches before it: {path.name}"
        words = f"{text}; {where}" if text else where
        level = "warning" if kind == "spike" else "error"
        tell(trainer.loggers, title, words, level=level, name=f"numerics/{kind}", step=batch.step)
        attach(trainer.loggers, path, "numerics")

    def _write(self, trainer: Any, kind: str, title: str, text: str, batch: Batch) -> Path:
        rank = f"-rank{rank_of(trainer)}" if rank_of(trainer) else ""
        path = folder_of(trainer) / "numerics" / f"step{batch.step}-{kind}{rank}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        known = {"what": title, "why": text, "step": batch.step, "epoch": batch.epoch, "batch": batch.batch}
        path.write_text(json.dumps({**known, "batches": [b.told() for b in self._seen]}, indent=1))
        return path


def _finite(batch: Batch) -> bool:
    return math.isfinite(batch.number) and (batch.norm is None or math.isfinite(batch.grad))


def _plain(number: float) -> float | str:
    """JSON has no NaN and no infinities."""
    return number if math.isfinite(number) else str(number)


def _rows(batch: Any) -> Any:
    return batch.get("rows") if isinstance(batch, Mapping) else None
