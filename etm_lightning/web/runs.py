"""Lists of runs: the table, its columns, and small curves."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from etm_lightning.web.axes import column
from etm_lightning.web.rows import Row
from etm_lightning.web.stores import MissingError, Stores
from etm_lightning.web.thin import thin

MOST_ROWS = 10_000
FEW_VALUES = 20
"""A setting with so many different values at most has them listed."""


def rows(
    stores: Stores,
    *,
    store: str = "",
    project: str = "",
    group: str = "",
    q: str = "",
    archived: bool = False,
    trashed: bool = False,
    keys: Sequence[str] = (),
) -> list[Row]:
    """The rows of the runs that fit, in no particular order; one that went away is left out.

    Raises:
        ValueError: if `q` cannot be understood.
    """
    wanted = list(keys) or [key for key, _, _ in stores.list(store, project)]
    found = [row for key in wanted if (row := _row(stores, key))]
    return [
        row
        for row in found
        if (keys or row["trashed"] == trashed)
        and (keys or trashed or archived or not row["archived"])
        and group in ("", row["group"])
        and _fits(row, q)
    ]


def _row(stores: Stores, key: str) -> Row | None:
    try:
        return stores.row(key)
    except MissingError:
        return None


def _fits(row: Row, q: str) -> bool:
    texts = [row["id"], row["name"], row["group"], row["project"], row["status"], row["notes"], *row["tags"]]
    text = " ".join(texts).lower()
    return all(word in text for word in q.lower().split())


def page(found: list[Row], *, sort: str = "-created", offset: int = 0, limit: int = 500) -> dict[str, Any]:
    """A stretch of the sorted table.

    Args:
        found: the rows.
        sort: a field, `param.name` or `metric.name`; `-` before it for the greatest first. Rows without a
            value come last.
        offset: how many to pass over.
        limit: how many at most.

    Raises:
        ValueError: if an argument is out of its range.
    """
    if offset < 0 or not 0 <= limit <= MOST_ROWS:
        raise ValueError(f"`limit` must be in [0, {MOST_ROWS}] and `offset` not below 0: {limit}, {offset}")
    name, down = sort.removeprefix("-"), sort.startswith("-")
    with_value = [(value, row) for row in found if (value := value_of(row, name)) is not None]
    without = [row for row in found if value_of(row, name) is None]
    with_value.sort(key=lambda pair: (_order(pair[0]), pair[1]["id"]), reverse=down)
    ordered = [row for _, row in with_value] + without
    return {"total": len(ordered), "runs": ordered[offset : offset + limit]}


def value_of(row: Mapping[str, Any], name: str) -> Any:
    """What a row has in a column; None if nothing."""
    for prefix, field in (("param.", "params"), ("metric.", "metrics")):
        if name.startswith(prefix):
            return row[field].get(name.removeprefix(prefix))
    value = row.get(name)
    return None if value == "" else value


def _order(value: Any) -> tuple[int, float, str]:
    """Numbers by size, then texts, then the rest as text."""
    number = as_number(value)
    if number is not None:
        return (0, number, "") if number == number else (1, 0.0, "")
    return 2, 0.0, str(value)


def as_number(value: Any) -> float | None:
    """A number, or what stands for one that is not finite; None for anything else."""
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, int | float):
        try:
            return float(value)
        except OverflowError:
            return math.inf if value > 0 else -math.inf
    return float(value) if value in ("nan", "inf", "-inf") else None


def columns(found: Iterable[Row]) -> dict[str, list[dict[str, Any]]]:
    """Which settings and metrics the rows have."""
    params: dict[str, list[Any]] = {}
    metrics: dict[str, list[float]] = {}
    for row in found:
        for name, value in row["params"].items():
            params.setdefault(name, []).append(value)
        for name, value in row["metrics"].items():
            number = as_number(value)
            metrics.setdefault(name, []).append(math.nan if number is None else number)
    return {
        "params": [_param(name, values) for name, values in sorted(params.items())],
        "metrics": [_metric(name, values) for name, values in sorted(metrics.items())],
    }


def _param(name: str, values: list[Any]) -> dict[str, Any]:
    known = [value for value in values if value is not None]
    numeric = bool(known) and all(isinstance(v, int | float) and not isinstance(v, bool) for v in known)
    about: dict[str, Any] = {"name": name, "count": len(values), "numeric": numeric}
    different = {str(value): value for value in values}
    if len(different) <= FEW_VALUES:
        about["values"] = sorted(different.values(), key=_order)
    return about


def _metric(name: str, values: list[float]) -> dict[str, Any]:
    finite = [value for value in values if math.isfinite(value)]
    return {
        "name": name,
        "count": len(values),
        "min": min(finite, default=None),
        "max": max(finite, default=None),
    }


def sparks(stores: Stores, metric: str, keys: Sequence[str], points: int = 40) -> dict[str, list[float]]:
    """A metric of each run in a few values, which keep its extremes; finite ones only."""
    found: dict[str, list[float]] = {}
    for key in keys:
        try:
            series = stores.run(key).run.find(metric)
        except MissingError:
            continue
        if series is not None:
            values = column(series.columns(), "value")
            finite = values[np.isfinite(values)]
            found[key] = finite[thin(finite, points)].tolist()
    return found
