"""What Lightning calls by itself, through its entry points, for every Trainer and Fabric."""

from __future__ import annotations

import os
from typing import Any


def lightning_callbacks() -> list[Any]:
    """For `lightning.pytorch.Trainer`."""
    if not _wanted():
        return []
    from etm_lightning.track.on_lightning import ETMCallback

    return [ETMCallback()]


def pytorch_lightning_callbacks() -> list[Any]:
    """For `pytorch_lightning.Trainer`."""
    if not _wanted():
        return []
    from etm_lightning.track.on_pytorch_lightning import ETMCallback

    return [ETMCallback()]


def fabric_callbacks() -> list[Any]:
    """For Fabric, which has no lifecycle: a run starts with its first value and ends with the process."""
    return []


def _wanted() -> bool:
    return os.environ.get("ETM_AUTO") != "0"
