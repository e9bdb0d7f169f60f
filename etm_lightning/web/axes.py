"""Where the points of a series are on an axis that people ask for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from etm_lightning.params import flatten
from etm_lightning.store.blocks import NO_EPOCH
from etm_lightning.store.run import StoredRun
from etm_lightning.store.series import Series

Floats = npt.NDArray[np.float64]
Axis = str | dict[str, str]
AXES = ("step", "epoch", "time", "relative", "samples")


def column(columns: Mapping[str, Any], name: str) -> Floats:
    """A column as numbers of its own: the series may grow meanwhile."""
    return np.array(columns[name], dtype=float)


def along(run: StoredRun, series: Series, columns: dict[str, Any], x: Axis) -> tuple[Floats, str]:
    """Where the points are on an axis; NaN where one is nowhere, with the reason."""
    steps = column(columns, "step")
    if isinstance(x, dict):
        return _metric(run, x["metric"], steps)
    if x == "epoch":
        return _epochs(run, columns)
    if x in ("time", "relative"):
        times = column(columns, "time")
        return times - (run.started or run.created) if x == "relative" else times, ""
    if x == "samples":
        return _samples(run, series, steps)
    return steps, ""


def _epochs(run: StoredRun, columns: dict[str, Any]) -> tuple[Floats, str]:
    """Epochs done, with fractions by step: a value at the end of the first epoch is at about 1."""
    steps, epochs = column(columns, "step"), column(columns, "epoch")
    firsts = run.epochs.firsts
    where = np.full(len(steps), np.nan)
    known = epochs != NO_EPOCH
    if not known.any() or not firsts:
        return where, "no epochs were recorded"
    numbers = sorted(firsts)
    begin = np.array([firsts[number] for number in numbers], float)
    lengths = np.diff(begin) / np.maximum(np.diff(np.array(numbers, float)), 1)
    last = lengths[-1] if len(lengths) else max(run.epochs.last - begin[-1] + 1, 1.0)
    length = np.append(lengths, last)
    at = np.searchsorted(np.array(numbers), epochs[known])
    at = np.clip(at, 0, len(numbers) - 1)
    part = (steps[known] - begin[at] + 1) / np.maximum(length[at], 1)
    where[known] = epochs[known] + np.clip(part, 0.0, 1.0)
    return where, ""


def _samples(run: StoredRun, series: Series, steps: Floats) -> tuple[Floats, str]:
    """Samples seen: steps times batch size, accumulated batches and devices, as the config has them."""
    flat = flatten(run.params)
    size = next((flat[n] for n in ("data.batch_size", "batch_size") if _count(flat.get(n))), None)
    if size is None:
        size = next((v for n, v in flat.items() if n.rpartition(".")[2] == "batch_size" and _count(v)), None)
    if size is None or series.key.axis != "step":
        return np.full(len(steps), np.nan), "the config has no `batch_size`"
    for name in ("trainer.accumulate_grad_batches", "trainer.devices", "trainer.num_nodes"):
        size *= flat[name] if _count(flat.get(name)) else 1
    return steps * float(size), ""


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _metric(run: StoredRun, name: str, steps: Floats) -> tuple[Floats, str]:
    """The other metric's value at each step, or its last one before."""
    other = run.find(name)
    if other is None:
        return np.full(len(steps), np.nan), f"the run has no {name!r}"
    columns = other.columns()
    at = column(columns, "step")
    values = column(columns, "value")
    order = np.argsort(at, kind="stable")
    place = np.searchsorted(at[order], steps, side="right") - 1
    found = np.where(place >= 0, values[order][np.maximum(place, 0)], np.nan) if len(at) else steps * np.nan
    return np.where(np.isfinite(found), found, np.nan), ""
