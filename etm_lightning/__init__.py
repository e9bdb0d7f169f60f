"""Experiment tracking and management for PyTorch Lightning.

The public names are loaded when they are first used, so that importing the package costs nothing.

>>> import etm_lightning
>>> etm_lightning.ETMLogger.__name__
'ETMLogger'
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from etm_lightning.store.store import Store
    from etm_lightning.text.top_losses import TopLosses
    from etm_lightning.track.lightning import (
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
    from etm_lightning.track.logger import ETMLogger
    from etm_lightning.track.on_torch import fast_log
    from etm_lightning.track.run import Run
    from etm_lightning.web.notebook import show

__version__ = "0.1.0"
__all__ = [
    "DeviceMemory",
    "ETMCallback",
    "ETMLogger",
    "GradientNorm",
    "Histograms",
    "Monitor",
    "Numerics",
    "Run",
    "Store",
    "Throughput",
    "TimeLeft",
    "TopLosses",
    "UpdateRatio",
    "fast_log",
    "show",
]

_HOMES = {
    "DeviceMemory": "track.lightning",
    "ETMCallback": "track.lightning",
    "ETMLogger": "track.logger",
    "GradientNorm": "track.lightning",
    "Histograms": "track.lightning",
    "Monitor": "track.lightning",
    "Numerics": "track.lightning",
    "Run": "track.run",
    "Store": "store.store",
    "fast_log": "track.on_torch",
    "show": "web.notebook",
    "Throughput": "track.lightning",
    "TimeLeft": "track.lightning",
    "TopLosses": "text.top_losses",
    "UpdateRatio": "track.lightning",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
