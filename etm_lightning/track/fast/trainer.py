"""Which way the values of a module go."""

from __future__ import annotations

import importlib
import warnings
from typing import Any

from etm_lightning.track.fast.calls import Calls
from etm_lightning.track.fast.hooks import FastPath


def calls_of(module: Any) -> Calls | None:
    """The calls in the Trainer that trains a module; None if nothing is to be logged.

    Raises:
        TypeError: if it is no LightningModule.
        RuntimeError: if Fabric trains it.
    """
    trainer = getattr(module, "_trainer", None)
    if trainer is None:
        _without_trainer(module)
        return None
    for callback in trainer.callbacks:
        if isinstance(callback, FastPath):
            return callback.calls
    return _installed(trainer)


def _installed(trainer: Any) -> Calls | None:
    """The calls in this Trainer, before its other callbacks."""
    if trainer.barebones:
        warnings.warn("`fast_log` logs nothing with Trainer(barebones=True)", stacklevel=4)
        return None
    old = any(kind.__module__.startswith("pytorch_lightning.") for kind in type(trainer).__mro__)
    home = importlib.import_module(f"etm_lightning.track.on_{'pytorch_' if old else ''}lightning")
    path: FastPath = home.FastLog()
    path.begin(trainer)
    others = trainer.callbacks
    first = int(bool(others) and ".tuner." in type(others[0]).__module__)  # a tuner looks for itself there
    trainer.callbacks = [*others[:first], path, *others[first:]]
    return path.calls


def _without_trainer(module: Any) -> None:
    if getattr(module, "_fabric", None) is not None:
        raise RuntimeError(
            "`fast_log` needs a Trainer, and Fabric trains this `module`; use `fabric.log_dict(values)`,"
            " or `Run.log(values, step=…)`"
        )
    if not hasattr(module, "_trainer"):
        raise TypeError(f"`module` must be a LightningModule but got {type(module).__name__}")
    warnings.warn("`fast_log` logs nothing: no Trainer trains this `module` yet", stacklevel=4)
