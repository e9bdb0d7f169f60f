"""Points as data frames of pandas, Polars or Arrow."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal

from etm_lightning.params import flatten
from etm_lightning.store.picked import Picker, Points
from etm_lightning.store.series import NO_EPOCH, Series

if TYPE_CHECKING:
    import pandas as pd

    from etm_lightning.store.run import StoredRun

Kind = Literal["pandas", "polars", "arrow"]
KINDS = ("pandas", "polars", "arrow")
_TOGETHER = 16
"""Runs that a thread reads in turn."""


def frame(series: Sequence[Series], *, superseded: bool = False) -> pd.DataFrame:
    """One row per point; `epoch` is missing where none was recorded.

    Raises:
        ImportError: without pandas.
    """
    parts = [(one.key, one.columns(superseded=superseded)) for one in series]
    sizes = [len(columns["value"]) for _, columns in parts]
    keys = {name: [getattr(key, name) for key, _ in parts] for name in ("name", "stage", "axis", "rank")}
    numbers = {name: [columns[name] for _, columns in parts] for name in ("step", "epoch", "time", "value")}
    return shaped(keys, numbers, sizes, "pandas")


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


def shaped(
    keys: Mapping[str, Sequence[Any]], numbers: Mapping[str, Sequence[Any]], sizes: Sequence[int], to: Kind
) -> Any:
    """A frame of parts: what is one for a whole part, and what every point has of its own.

    Args:
        keys: by column, a value for each part.
        numbers: by column (step, epoch, time, value), an array for each part.
        sizes: how many points each part has.
        to: the library.
    """
    np, library = _libraries(to)
    kinds = {"rank": np.int64, "step": np.int64, "epoch": np.int64, "time": float, "value": float}
    each = {name: _array(np, values, kinds.get(name, object)) for name, values in keys.items()}
    part = np.repeat(np.arange(len(sizes)), sizes)
    columns: dict[str, Any] = {
        name: np.concatenate([np.array([], kinds[name]), *(np.asarray(part) for part in parts)])
        for name, parts in numbers.items()
    }
    missing = columns["epoch"] == NO_EPOCH
    # what is one for a whole part becomes a column of the library first, and then as long as the others
    if to == "arrow":
        columns["epoch"] = library.array(columns["epoch"], mask=missing)
        whole = library.table(each).take(part)
        for name, column in columns.items():
            whole = whole.append_column(name, library.array(column))
        return whole
    if to == "polars":
        whole = library.DataFrame({name: column.tolist() for name, column in each.items()}, strict=False)
        epochs = library.Series(columns["epoch"]).set(library.Series(missing), None)
        return whole[part].with_columns(**columns).with_columns(epoch=epochs)
    whole = library.DataFrame(each).take(part).reset_index(drop=True).assign(**columns)
    whole["epoch"] = library.array(columns["epoch"], dtype="Int64")
    whole.loc[missing, "epoch"] = library.NA
    return whole


def _array(np: Any, values: Sequence[Any], kind: Any) -> Any:
    """One value for each part; lists stay what they are."""
    found = np.empty(len(values), kind)
    found[:] = [str(value) if isinstance(value, list | dict) else value for value in values]
    return found


def _libraries(to: Kind) -> tuple[Any, Any]:
    package = "pyarrow" if to == "arrow" else to
    try:
        import importlib

        return importlib.import_module("numpy"), importlib.import_module(package)
    except ImportError as error:
        raise ImportError(f"a frame of {package} needs it: pip install {package}") from error
