"""Our callbacks as Callbacks of `pytorch_lightning`."""

from __future__ import annotations

from pytorch_lightning import Callback

from etm_lightning.track.callback import Lifecycle
from etm_lightning.track.monitor import Measuring
from etm_lightning.track.prune import Pruning


class ETMCallback(Lifecycle, Callback):  # type: ignore[misc,unused-ignore]
    """Tells a Trainer's ETMLoggers when a run starts, what it goes on from and how it ends."""


class Monitor(Measuring, Callback):  # type: ignore[misc,unused-ignore]
    """Measures while the Trainer trains; see `etm_lightning.track.monitor.Measuring`."""


class Prune(Pruning, Callback):  # type: ignore[misc,unused-ignore]
    """Ends a trial that the search gave up; Lightning adds it to every Trainer of a trial by itself."""
