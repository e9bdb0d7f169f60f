"""What Lightning calls by itself, through its entry points, for every Trainer and Fabric."""

from __future__ import annotations

import importlib
import logging
import os
from typing import Any

from etm_lightning.track.trial import trial_folder

log = logging.getLogger(__name__)


def lightning_callbacks() -> list[Any]:
    """For `lightning.pytorch.Trainer`."""
    return _callbacks("etm_lightning.track.on_lightning")


def pytorch_lightning_callbacks() -> list[Any]:
    """For `pytorch_lightning.Trainer`."""
    return _callbacks("etm_lightning.track.on_pytorch_lightning")


def fabric_callbacks() -> list[Any]:
    """For Fabric, which has no lifecycle: a run starts with its first value and ends with the process."""
    return []


def _callbacks(module: str) -> list[Any]:
    """An ETMCallback, unless ``ETM_AUTO=0``; what is broken with us must not break Lightning."""
    if os.environ.get("ETM_AUTO") == "0":
        return []
    try:
        ours = importlib.import_module(module)
        return [ours.ETMCallback(), *([ours.Prune()] if trial_folder() else [])]
    except Exception as error:
        log.warning("etm_lightning cannot follow this Trainer: %s: %s", type(error).__name__, error)
        return []
