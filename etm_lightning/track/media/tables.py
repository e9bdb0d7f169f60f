"""Tables and confusion matrices as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from etm_lightning.track.media.exhibit import Copy, Drawn, encoded
from etm_lightning.track.plain import plain

_CONSTANT = (str, int, float, bool, type(None))


def table(columns: Any, rows: Sequence[Sequence[Any]] | None) -> Copy:
    """A copy of a table.

    Args:
        columns: names of the columns; or a data frame of pandas or polars, and no `rows`.
        rows: of as many values as there are columns.

    Raises:
        TypeError: if it is no table.
        ValueError: if a row has not as many values as there are columns.

    >>> table(["word", "count"], [["a", 1]]).draw().content
    b'{"columns":["word","count"],"rows":[["a",1]]}'
    """
    if rows is None:
        return _frame(columns)
    copied = []
    for number, row in enumerate(rows):
        if len(row) != len(columns):
            raise ValueError(
                f"`rows[{number}]` must have {len(columns)} values, one for each column, but got {len(row)}"
            )
        copied.append([value if type(value) in _CONSTANT else plain(value) for value in row])
    names = [str(column) for column in columns]
    return Copy(partial(_table, names, copied), 64 * (1 + len(names)) * (1 + len(copied)))


def _table(names: list[str], rows: list[list[Any]]) -> Drawn:
    return encoded({"columns": names, "rows": [[plain(value) for value in row] for row in rows]})


def _frame(frame: Any) -> Copy:
    """A data frame; its index is left out."""
    if not hasattr(frame, "columns") or not (hasattr(frame, "itertuples") or hasattr(frame, "iter_rows")):
        raise TypeError(f"`columns` must be names, or a data frame, but got {type(frame).__name__}")
    rows, columns = frame.shape
    kept = frame.copy() if hasattr(frame, "copy") else frame.clone()
    return Copy(partial(_table_of, kept), 64 * (1 + rows) * (1 + columns))


def _table_of(frame: Any) -> Drawn:
    pandas = hasattr(frame, "itertuples")
    rows = frame.itertuples(index=False, name=None) if pandas else frame.iter_rows()
    return _table([str(name) for name in frame.columns], [[_cell(value) for value in row] for row in rows])


def _cell(value: Any) -> Any:
    """A value of a frame: missing ones as None, times as ISO texts."""
    if type(value).__name__ in ("NaTType", "NAType"):
        return None
    return value.isoformat() if hasattr(value, "isoformat") else value


def confusion_matrix(labels: Sequence[str], counts: Sequence[Sequence[int]]) -> Copy:
    """A copy of a confusion matrix; `counts` of shape (classes, classes), true class by row.

    Raises:
        ValueError: if `counts` is not of that shape.

    >>> confusion_matrix(["cat", "dog"], [[3, 1], [0, 4]]).draw().content
    b'{"labels":["cat","dog"],"counts":[[3,1],[0,4]]}'
    """
    size = len(labels)
    if len(counts) != size or any(len(row) != size for row in counts):
        raise ValueError(f"`counts` must have {size} rows of {size} counts, as there are {size} labels")
    content = {
        "labels": [str(label) for label in labels],
        "counts": [[int(count) for count in row] for row in counts],
    }
    return Copy(partial(encoded, content), 64 * size * size)
