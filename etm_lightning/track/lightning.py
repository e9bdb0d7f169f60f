"""Our callbacks as Callbacks of the Lightning that the user imported, or else of the one installed."""

from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING or (
    ("pytorch_lightning" not in sys.modules or "lightning.pytorch" in sys.modules)
    and importlib.util.find_spec("lightning")
):
    from etm_lightning.track.on_lightning import (
        DeviceMemory,
        ETMCallback,
        GradientNorm,
        Histograms,
        Monitor,
        Numerics,
        Throughput,
        TimeLeft,
        UpdateRatio,
    )
else:
    from etm_lightning.track.on_pytorch_lightning import (
        DeviceMemory,
        ETMCallback,
        GradientNorm,
        Histograms,
        Monitor,
        Numerics,
        Throughput,
        TimeLeft,
        UpdateRatio,
    )

__all__ = [
    "DeviceMemory",
    "ETMCallback",
    "GradientNorm",
    "Histograms",
    "Monitor",
    "Numerics",
    "Throughput",
    "TimeLeft",
    "UpdateRatio",
]
