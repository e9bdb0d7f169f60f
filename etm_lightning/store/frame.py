"""Series as one long pandas frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from etm_lightning.store.series import NO_EPOCH, Series

if TYPE_CHECKING:
    import pandas as pd


def frame(series: Sequence[Series], *, superseded: bool = False) -> pd.DataFrame:
    """One row per point; `epoch` is missing where none was recorded.

    Raises:
        ImportError: without pandas.
    """
    try:
        import numpy as np
        import pandas as pd
    except ImportError as error:
        raise ImportError("a data frame needs pandas: pip install pandas") from error
    parts = [(one.key, one.columns(superseded=superseded)) for one in series]
    sizes = [len(columns["value"]) for _, columns in parts]
    keys = {
        field: np.repeat(np.array([getattr(key, field) for key, _ in parts], dtype=kind), sizes)
        for field, kind in (("name", object), ("stage", object), ("axis", object), ("rank", np.int64))
    }
    numbers = {
        field: np.concatenate([np.array([], kind), *(np.asarray(columns[field]) for _, columns in parts)])
        for field, kind in (("step", np.int64), ("epoch", np.int64), ("time", float), ("value", float))
    }
    whole = pd.DataFrame({**keys, **numbers})
    missing = numbers["epoch"] == NO_EPOCH
    whole["epoch"] = pd.array(numbers["epoch"], dtype="Int64")
    whole.loc[missing, "epoch"] = pd.NA
    return whole
