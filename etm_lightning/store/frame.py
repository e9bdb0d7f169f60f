"""Points as data frames of pandas, Polars or Arrow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from etm_lightning.store.blocks import NO_EPOCH
from etm_lightning.store.series import Series

if TYPE_CHECKING:
    import pandas as pd


Kind = Literal["pandas", "polars", "arrow"]
KINDS = ("pandas", "polars", "arrow")


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
