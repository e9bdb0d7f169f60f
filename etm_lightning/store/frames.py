"""Metrics of many runs as one data frame."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import TYPE_CHECKING, Any

from etm_lightning.params import flatten
from etm_lightning.store.frame import KINDS, Kind, shaped
from etm_lightning.store.picked import Picker, Points

if TYPE_CHECKING:
    from etm_lightning.store.run import StoredRun

_TOGETHER = 16
"""Runs that a thread reads in turn."""


def metrics_frame(
    runs: Iterable[StoredRun], names: Sequence[str], *, params: Sequence[str] = (), to: Kind = "pandas"
) -> Any:
    """The points of some metrics of many runs, a row for each.

    Args:
        runs: the runs.
        names: names of metrics.
        params: settings, by dotted name, to have as columns too.
        to: ``pandas``, ``polars`` or ``arrow``.

    Returns:
        Columns run, project, name, stage, step, epoch, time (Unix seconds), value, and the params.

    Raises:
        ValueError: if `to` is none of these.
        ImportError: without the library.
    """
    if to not in KINDS:
        raise ValueError(f"`to` must be one of {', '.join(KINDS)} but got {to!r}")
    pickers = [Picker(name) for name in names]
    keys: dict[str, list[Any]] = {name: [] for name in ("run", "project", "name", "stage", *params)}
    numbers: dict[str, list[Any]] = {name: [] for name in ("step", "epoch", "time", "value")}
    sizes: list[int] = []
    for run, picked in _picked(list(runs), pickers):
        flat = flatten(run.params) if params else {}
        for picker, found in zip(pickers, picked, strict=True):
            if found is None:
                continue
            sizes.append(len(found.values))
            for name, value in (("run", run.id), ("project", run.project), ("name", picker.name)):
                keys[name].append(value)
            keys["stage"].append(found.key.stage)
            for name in params:
                keys[name].append(flat.get(name))
            columns = (found.steps, found.epochs, found.times, found.values)
            for name, column in zip(numbers, columns, strict=True):
                numbers[name].append(column)
    return shaped(keys, numbers, sizes, to)


def _picked(
    runs: Sequence[StoredRun], pickers: Sequence[Picker]
) -> Iterable[tuple[StoredRun, list[Points | None]]]:
    """The runs with what they have of each metric, in threads: files are parsed without Python's lock."""

    def read(part: Sequence[StoredRun]) -> list[list[Points | None]]:
        return [[picker.points(run) for picker in pickers] for run in part]

    parts = [runs[start : start + _TOGETHER] for start in range(0, len(runs), _TOGETHER)]
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        return zip(runs, chain.from_iterable(list(pool.map(read, parts))), strict=True)
