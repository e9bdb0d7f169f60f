"""Lists of runs: the table, its columns, and small curves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypedDict

import msgspec
import numpy as np

from etm_lightning.store.catalogue import Catalogue
from etm_lightning.store.row import Row as StoredRow
from etm_lightning.web.axes import column
from etm_lightning.web.stores import MissingError, Place, Stores
from etm_lightning.web.thin import thin

MOST_ROWS = 10_000
_PREFIXES = (("param.", "params"), ("metric.", "metrics"))

Row = dict[str, Any]


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which runs are asked for; what is empty narrows nothing. With `keys`, just these.

    With `known` they are as the last look at the store found them, without a look for this question.
    """

    store: str = ""
    project: str = ""
    group: str = ""
    q: str = ""
    archived: bool = False
    trashed: bool = False
    keys: tuple[str, ...] = ()
    known: bool = False

    def catalogue(self, place: Place) -> Catalogue:
        """The runs of a store."""
        return place.catalogue.known() if self.known else place.catalogue

    def narrowed(self) -> dict[str, Any]:
        """As the catalogue has it."""
        hidden = bool(self.keys)
        return {
            "project": self.project or None,
            "group": self.group or None,
            "keys": self.keys or None,
            "archived": None if hidden else self.archived,
            "trashed": None if hidden else self.trashed,
        }


def row(stores: Stores, key: str) -> Row:
    """What the table says about a run.

    Raises:
        MissingError: if there is none.
    """
    found = rows(stores, Filter(keys=(key,)))
    if not found:
        raise MissingError(f"`run` must be the key of a run but there is no {key[:40]!r}")
    return found[0]


def rows(
    stores: Stores,
    asked: Filter,
    *,
    sort: str = "-created",
    limit: int | None = None,
    columns: Sequence[str] | None = None,
) -> list[Row]:
    """The rows of the runs that fit; arguments as those of `page`.

    Raises:
        ValueError: for a search that cannot be read, or if there is nothing to sort by that name.
    """
    found: list[Row] = []
    if columns is not None:  # by which rows of several stores are put in order
        name = sort.removeprefix("-")
        columns = [*columns, name, f"param.{name}", f"metric.{name}"]
    for place in stores.chosen(asked.store):
        found += _of(place, asked, columns, sort=sort, limit=limit)
    return found if len(stores.chosen(asked.store)) == 1 else ordered(found, sort)[:limit]


def _of(place: Place, asked: Filter, columns: Sequence[str] | None = None, **more: Any) -> list[Row]:
    if columns is not None:
        more["decode"] = _narrow(columns).decode
    found = asked.catalogue(place).plain(asked.q, **asked.narrowed(), **more)
    for one in found:
        one["store"] = place.id
    return found


def _narrow(columns: Sequence[str]) -> msgspec.json.Decoder[Any]:
    """Reads rows with these settings and metrics only: what is left out costs next to nothing."""
    kept = {
        field: TypedDict(  # type: ignore[operator]  # made of names that are known now only
            field,
            {one.removeprefix(prefix): Any for one in columns if one.startswith(prefix)},
            total=False,
        )
        for prefix, field in _PREFIXES
    }
    fields = {field: kept.get(field, Any) for field in StoredRow.__struct_fields__}
    return msgspec.json.Decoder(TypedDict("Row", fields, total=False))  # type: ignore[operator]


def page(
    stores: Stores,
    asked: Filter,
    *,
    sort: str = "-created",
    offset: int = 0,
    limit: int = 500,
    columns: Sequence[str] | None = None,
) -> dict[str, Any]:
    """A stretch of the sorted table.

    Args:
        stores: where to look.
        asked: which runs.
        sort: a field, `param.name` or `metric.name`; `-` before it for the greatest first. Rows without a
            value come last.
        offset: how many to pass over.
        limit: how many at most.
        columns: which settings and metrics the rows have, `param.name` or `metric.name`; by default all.

    Raises:
        ValueError: if an argument is out of its range, or a search cannot be read.
    """
    if offset < 0 or not 0 <= limit <= MOST_ROWS:
        raise ValueError(f"`limit` must be in [0, {MOST_ROWS}] and `offset` not below 0: {limit}, {offset}")
    places = stores.chosen(asked.store)
    total = sum(asked.catalogue(place).count(asked.q, **asked.narrowed()) for place in places)
    if len(places) == 1:
        found = _of(places[0], asked, columns, sort=sort, offset=offset, limit=limit)
    else:
        found = rows(stores, asked, sort=sort, limit=offset + limit, columns=columns)[offset:]
    return {"total": total, "runs": found}


def ordered(found: list[Row], sort: str) -> list[Row]:
    """Rows of several stores as the catalogue sorts those of one."""
    name, down = sort.removeprefix("-"), sort.startswith("-")
    with_value = [(value, row) for row in found if (value := value_of(row, name)) is not None]
    without = [row for row in found if value_of(row, name) is None]
    with_value.sort(key=lambda pair: _order(pair[0]), reverse=down)
    return [row for _, row in with_value] + without


def value_of(row: Row, name: str) -> Any:
    """What a row has in a column; None if nothing."""
    for prefix, field in _PREFIXES:
        if name.startswith(prefix):
            return row[field].get(name.removeprefix(prefix))
    value = row.get(name, row["metrics"].get(name, row["params"].get(name)))
    return None if value in ("", "nan") else value


def _order(value: Any) -> tuple[int, float, str]:
    """Numbers by size, then texts, then the rest as text."""
    if isinstance(value, int | float) or value in ("inf", "-inf"):
        try:
            return 0, float(value), ""
        except OverflowError:
            return 0, math.inf if value > 0 else -math.inf, ""
    return 1, 0.0, str(value)


def columns(stores: Stores, asked: Filter) -> dict[str, list[dict[str, Any]]]:
    """Which settings and metrics the rows have.

    Raises:
        ValueError: for a search that cannot be read.
    """
    found = [
        asked.catalogue(place).columns(asked.q, **asked.narrowed()) for place in stores.chosen(asked.store)
    ]
    if len(found) == 1:
        return found[0]
    return {
        "params": _merged([one["params"] for one in found], _param),
        "metrics": _merged([one["metrics"] for one in found], _metric),
    }


def _merged(several: Sequence[list[dict[str, Any]]], merge: Any) -> list[dict[str, Any]]:
    together: dict[str, dict[str, Any]] = {}
    for one in (one for some in several for one in some):
        known = together.get(one["name"])
        together[one["name"]] = merge(known, one) if known else one
    return [together[name] for name in sorted(together)]


def _param(a: dict[str, Any], b: dict[str, Any]) -> dict[str, Any]:
    found = {"name": a["name"], "count": a["count"] + b["count"], "numeric": a["numeric"] and b["numeric"]}
    if "values" in a and "values" in b:
        different = {str(value): value for value in (*a["values"], *b["values"])}
        found["values"] = sorted(different.values(), key=_order)
    return found


def _metric(a: dict[str, Any], b: dict[str, Any]) -> dict[str, Any]:
    least = [one["min"] for one in (a, b) if one["min"] is not None]
    most = [one["max"] for one in (a, b) if one["max"] is not None]
    return {
        "name": a["name"],
        "count": a["count"] + b["count"],
        "min": min(least, default=None),
        "max": max(most, default=None),
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
