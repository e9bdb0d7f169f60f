"""How fast a training is, and how long it waits for its data."""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from etm_lightning.track.clocks import logger_step
from etm_lightning.track.monitor import Measured, Measuring


class Throughput(Measuring):
    """Steps, samples and tokens per second, the share of time spent waiting for data, and MFU.

    Each value is of the steps since the last look, and the first look only begins them; evaluations and the
    pause between two epochs do not count. Nothing waits for the device: over a window of steps the time of
    the training's thread is that of the device, whose queue is short. Samples and tokens are those of all
    devices, by the assumption that each has as many.

    ``throughput/data_wait`` is the share of time in which the loader is asked for a batch. On a GPU that has
    work queued meanwhile, it may wait for less.

    ``throughput/mfu`` is model FLOPs utilization, FLOPs per sample × samples per second and device ÷ peak
    FLOPs of the device, as Chowdhery et al. (PaLM, 2022, appendix B) define it. The FLOPs of one sample,
    forward and backward, are counted in the first batch by torch's FlopCounterMode; if the model computes
    activations again to save memory, those are in it too. Where batches have ``input_ids`` they are counted
    per token, padding included, because batches then differ in length. The peak is that of Lightning's table
    (`lightning.fabric.utilities.throughput`) for the device and the precision.

    Args:
        flops_per_sample: forward and backward, if it is known, 0 for no MFU; else it is counted.
        peak_flops: of one device per second, where Lightning does not know it.
        tokens: how many tokens a batch has; by default the ones in ``attention_mask``, else the size of
            ``input_ids``.
        every_n_steps: how often, in optimizer batches.
    """

    def __init__(
        self,
        flops_per_sample: float | None = None,
        peak_flops: float | None = None,
        tokens: Callable[[Any], Any] | None = None,
        every_n_steps: int | None = None,
    ) -> None:
        super().__init__(every_n_steps)
        self._flops_per_sample, self._flops_per_token = flops_per_sample, 0.0
        self._peak, self._count_tokens = peak_flops, tokens
        self._counter: Any = None
        self._watched: Any = None
        self._started = self._ended = self._asked = 0.0
        self._clear(None)

    def _clear(self, step: int | None) -> None:
        self._first_step = step
        self._seconds = self._waited = 0.0
        self._samples = self._positions = 0
        self._tokens: list[Any] = []

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        super().on_train_start(trainer, pl_module)
        self._clear(None)
        self._ended = 0.0
        self._peak = self._peak or peak_flops(trainer)

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        self._watch(trainer.fit_loop._data_fetcher)
        self._started = time.perf_counter()
        if self._ended:
            self._seconds += self._started - self._ended
        else:  # the first of an epoch, or after an evaluation
            self._waited -= self._asked
        self._asked = 0.0
        if self._peak and self._flops_per_sample is None:
            self._counter = importlib.import_module("torch.utils.flop_counter").FlopCounterMode(display=False)
            self._counter.__enter__()

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any = None, batch: Any = None, *args: Any, **kwargs: Any
    ) -> None:
        self._stop_counting(batch)
        self._samples += size(batch)
        self._positions += _positions(batch)
        tokens = self._count_tokens(batch) if self._count_tokens else _tokens(batch)
        if tokens is not None:
            self._tokens.append(tokens)
        self._ended = time.perf_counter()
        self._seconds += self._ended - self._started
        super().on_train_batch_end(trainer, pl_module)

    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        self._ended = 0.0

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        self._ended, self._watched = 0.0, None

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        self._stop_counting(None)

    def measure(self, trainer: Any, module: Any) -> Mapping[str, Measured]:
        seconds, devices, step = self._seconds, trainer.world_size, logger_step(trainer)
        if (
            seconds <= 0.0 or self._first_step is None
        ):  # the first steps, which compilers and caches slow down
            self._clear(step)
            return {}
        found = {
            "throughput/steps_per_sec": (step - self._first_step) / seconds,
            "throughput/data_wait": min(max(self._waited / seconds, 0.0), 1.0),
        }
        if self._samples:
            found["throughput/samples_per_sec"] = self._samples * devices / seconds
        if self._tokens:
            found["throughput/tokens_per_sec"] = float(sum(self._tokens)) * devices / seconds
        flops = self._flops_per_token * self._positions or (self._flops_per_sample or 0.0) * self._samples
        if self._peak and flops:
            found["throughput/mfu"] = flops / seconds / self._peak
        self._clear(step)
        return found

    def _watch(self, fetcher: Any) -> None:
        """Time what the loop itself marks as waiting for the loader; each epoch sets its marks anew."""
        if fetcher is self._watched or not hasattr(fetcher, "_start_profiler"):
            return
        self._watched, self._marks = fetcher, (fetcher._start_profiler, fetcher._stop_profiler)
        fetcher._start_profiler, fetcher._stop_profiler = self._fetch, self._fetched

    def _fetch(self) -> None:
        self._marks[0]()
        self._asking = time.perf_counter()

    def _fetched(self) -> None:
        self._asked += (seconds := time.perf_counter() - self._asking)
        self._waited += seconds
        self._marks[1]()

    def _stop_counting(self, batch: Any) -> None:
        """The FLOPs of the batch are counted, and with them those of a token or a sample."""
        if self._counter is None:
            return
        counter, self._counter = self._counter, None
        counter.__exit__(None, None, None)
        self._flops_per_sample = counter.get_total_flops() / max(size(batch), 1)
        self._flops_per_token = (
            counter.get_total_flops() / positions if (positions := _positions(batch)) else 0.0
        )


def size(batch: Any) -> int:
    """How many samples a batch has: the length of the first tensor in it; 0 if there is none."""
    if getattr(batch, "ndim", 0):
        return int(batch.shape[0])
    parts = batch.values() if isinstance(batch, Mapping) else batch if isinstance(batch, list | tuple) else ()
    return next((found for part in parts if (found := size(part))), 0)


def _positions(batch: Any) -> int:
    return int(batch["input_ids"].numel()) if isinstance(batch, Mapping) and "input_ids" in batch else 0


def _tokens(batch: Any) -> Any:
    """How many tokens a batch has, where it lies; None if it has no tokens."""
    if isinstance(batch, Mapping) and "attention_mask" in batch:
        return batch["attention_mask"].sum()
    return _positions(batch) or None


def peak_flops(trainer: Any) -> float | None:
    """What one device of the Trainer can do per second at its precision, as Lightning's table says."""
    theirs = any(kind.__module__.startswith("pytorch_lightning.") for kind in type(trainer).__mro__)
    known = sys.modules.get(f"{'lightning_fabric' if theirs else 'lightning.fabric'}.utilities.throughput")
    device = trainer.strategy.root_device
    if known is None or device.type == "cpu":
        return None
    return known.get_available_flops(device, known._plugin_to_compute_dtype(trainer.precision_plugin))  # type: ignore[no-any-return]  # Lightning's
