"""Our callbacks as Callbacks of `lightning.pytorch`."""

from __future__ import annotations

from lightning.pytorch import Callback
from lightning.pytorch.trainer.connectors.logger_connector.fx_validator import _FxValidator
from lightning.pytorch.utilities.data import extract_batch_size
from torch import Tensor
from torchmetrics import Metric, MetricCollection

from etm_lightning.track.callback import Lifecycle
from etm_lightning.track.fast import FastPath
from etm_lightning.track.fast_options import Rules
from etm_lightning.track.monitor import Measuring


class ETMCallback(Lifecycle, Callback):  # type: ignore[misc,unused-ignore]
    """Tells a Trainer's ETMLoggers when a run starts, what it goes on from and how it ends."""


class Monitor(Measuring, Callback):  # type: ignore[misc,unused-ignore]
    """Measures while the Trainer trains; see `etm_lightning.track.monitor.Measuring`."""


class FastLog(FastPath, Callback):  # type: ignore[misc,unused-ignore]
    """Brings what `fast_log` is given to a Trainer's loggers, monitors and progress bar."""

    rules = Rules(_FxValidator, Tensor, Metric, MetricCollection, extract_batch_size)
