"""Our callbacks as Callbacks of `lightning.pytorch`."""

from __future__ import annotations

from lightning.pytorch import Callback
from lightning.pytorch.trainer.connectors.logger_connector.fx_validator import _FxValidator
from lightning.pytorch.utilities.data import extract_batch_size
from torch import Tensor
from torchmetrics import Metric, MetricCollection

from etm_lightning.track.callback import Lifecycle
from etm_lightning.track.fast.hooks import FastPath
from etm_lightning.track.fast.options import Rules
from etm_lightning.track.monitor import Measuring
from etm_lightning.track.monitors import histograms, memory, norms, numerics, throughput, time_left
from etm_lightning.track.prune import Pruning


class ETMCallback(Lifecycle, Callback):  # type: ignore[misc,unused-ignore]
    """Tells a Trainer's ETMLoggers when a run starts, what it goes on from and how it ends."""


class Monitor(Measuring, Callback):  # type: ignore[misc,unused-ignore]
    """Measures while the Trainer trains; see `etm_lightning.track.monitor.Measuring`."""


class Prune(Pruning, Callback):  # type: ignore[misc,unused-ignore]
    """Ends a trial that the search gave up; Lightning adds it to every Trainer of a trial by itself."""


class FastLog(FastPath, Callback):  # type: ignore[misc,unused-ignore]
    """Brings what `fast_log` is given to a Trainer's loggers, monitors and progress bar."""

    rules = Rules(_FxValidator, Tensor, Metric, MetricCollection, extract_batch_size)


class Throughput(throughput.Throughput, Monitor):  # type: ignore[misc,unused-ignore]
    """How fast it trains, and how long it waits for data; see `etm_lightning.track.monitors.throughput`."""


class GradientNorm(norms.GradientNorm, Monitor):  # type: ignore[misc,unused-ignore]
    """The norm of the gradients before clipping; see `etm_lightning.track.monitors.norms`."""


class UpdateRatio(norms.UpdateRatio, Monitor):  # type: ignore[misc,unused-ignore]
    """How much a step changes the weights; see `etm_lightning.track.monitors.norms`."""


class DeviceMemory(memory.DeviceMemory, Monitor):  # type: ignore[misc,unused-ignore]
    """Memory of the GPU; see `etm_lightning.track.monitors.memory`."""


class Numerics(numerics.Numerics, Monitor):  # type: ignore[misc,unused-ignore]
    """NaN, infinities and jumps, and what led to them; see `etm_lightning.track.monitors.numerics`."""


class Histograms(histograms.Histograms, Monitor):  # type: ignore[misc,unused-ignore]
    """How weights and gradients are distributed; see `etm_lightning.track.monitors.histograms`."""


class TimeLeft(time_left.TimeLeft, Monitor):  # type: ignore[misc,unused-ignore]
    """When the epoch and the training end; see `etm_lightning.track.monitors.time_left`."""
