"""The data of an exported page: what the API would answer about some runs, small enough to send by mail."""

from __future__ import annotations

import base64
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import msgspec
import numpy as np

import etm_lightning
from etm_lightning.store.run import StoredRun
from etm_lightning.store.series import Series
from etm_lightning.web import comparing, detail, files, groups, served
from etm_lightning.web.axes import along, column
from etm_lightning.web.packing import pack
from etm_lightning.web.plain import encode, plain
from etm_lightning.web.rows import Filter, rows
from etm_lightning.web.stores import MissingError, Stores
from etm_lightning.web.thin import thin

LARGEST = 4_400_000
"""Bytes of the data of several runs; the page itself comes on top."""
LARGEST_OF_ONE = 16_000_000
FEW = 12
"""Up to so many runs are told in full; of more, what they have in common is told by the first."""
FEWEST_POINTS = 24
SIDE = ("epoch", "relative")
LOG = 65536
_VIEWED = ("table", "confusion_matrix", "histogram", "pr_curve", "roc_curve", "plotly", "graph")

Data = dict[str, Any]


def gather(
    stores: Stores, keys: Sequence[str], *, title: str = "", points: int = 1000, largest: int = 0
) -> Data:
    """All that an exported page of these runs shows.

    Args:
        stores: where they are.
        keys: the runs, in the order in which they are shown.
        title: the heading; by default the group's or run's name.
        points: of each series at most; fewer if there are many.
        largest: bytes of the data at most; by default `LARGEST`, or `LARGEST_OF_ONE`.

    Raises:
        MissingError: if there is no such run.
        ValueError: if there are none.
    """
    keys = list(dict.fromkeys(keys))
    if not keys:
        raise ValueError("`keys` must name a run at least but is empty")
    members = [(key, stores.run(key).run) for key in keys]
    known = {one["key"]: one for one in rows(stores, Filter(keys=tuple(keys)))}
    details = [detail.detail(known[key], run) | {"folder": ""} for key, run in members if key in known]
    if len(members) > FEW:
        _shorten(details)
    places = {one["row"]["store"] for one in details}
    found: Data = {
        "title": title or _title(details),
        "created": time.time(),
        "view": _view(details),
        "session": {
            "version": etm_lightning.__version__,
            "readonly": True,
            "stores": [
                {"id": p.id, "name": p.name, "path": "", "projects": _projects(details, p.id)}
                for p in stores.places
                if p.id in places
            ],
        },
        "runs": details,
        "compare": _compare(stores, keys),
        "groups": [],
        "studies": {},
        "media": {},
        "logs": {},
        "series": [],
    }
    _groups(stores, set(keys), details, found)
    largest = largest or (LARGEST if len(members) > 1 else LARGEST_OF_ONE)
    if len(members) <= FEW:
        _logs(members, found)
    left = largest - len(encode(found))
    left -= _media(members, found, left // 3)
    found["series"] = _series(members, points, left)
    return found


def _title(details: list[Data]) -> str:
    rows = [one["row"] for one in details]
    if len(rows) == 1:
        return str(rows[0]["name"] or rows[0]["id"])
    shared = {row["group"] for row in rows}
    return shared.pop() if len(shared) == 1 and "" not in shared else f"{len(rows)} runs"


def _view(details: list[Data]) -> str:
    """The page that is shown first: the run, the group, or the table."""
    rows = [one["row"] for one in details]
    if len(rows) == 1:
        return f"#/run/{rows[0]['key']}"
    where = {(row["store"], row["project"], row["group"]) for row in rows}
    if len(where) == 1 and (only := where.pop())[2]:
        return "#/group/" + "/".join(quote(part, safe="") for part in only)
    return f"#/compare?keys={','.join(row['key'] for row in rows)}" if len(rows) <= FEW else "#/runs"


def _projects(details: list[Data], store: str) -> list[str]:
    return sorted({one["row"]["project"] for one in details if one["row"]["store"] == store})


def _shorten(details: list[Data]) -> None:
    """Leave out of all but the first what is long and alike in most."""
    for one in details:
        one["texts"], one["logs"] = one["texts"][-20:], []
    for one in details[1:]:
        start = one["info"].get("start", {})
        one["info"]["start"] = {
            name: value for name, value in start.items() if name not in ("packages", "environment")
        }


def _compare(stores: Stores, keys: Sequence[str]) -> Data | None:
    if not 2 <= len(keys) <= comparing.MOST_RUNS:
        return None
    found = comparing.compare(stores, keys)
    if len(keys) > FEW:
        for part in ("info", "packages", "config"):
            found[part] = [line for line in found[part] if line["differs"]]
    return found


def _groups(stores: Stores, keys: set[str], details: list[Data], found: Data) -> None:
    """The groups that the runs are in, with the trials that are among them."""
    where = dict.fromkeys(
        (one["row"]["store"], one["row"]["project"], one["row"]["group"]) for one in details
    )
    for store, project, name in where:
        if not name:
            continue
        try:
            study = groups.group(stores, store, project, name)
        except MissingError:  # it has no trainings
            continue
        study["trials"] = [trial for trial in study["trials"] if trial["key"] in keys]
        study["best"] = study["best"] if study["best"] in keys else None
        found["studies"][f"{store}/{project}/{name}"] = study
        listed = groups.groups(stores, store, project)
        found["groups"] += [one for one in listed if one["group"] == name]


def _logs(members: Sequence[tuple[str, StoredRun]], found: Data) -> None:
    for key, run in members:
        for id, one in files.logs(run).items():
            text = served.tail(files.open_file(run, one.path), LOG)
            found["logs"][f"{key}/{id}"] = text


def _media(members: Sequence[tuple[str, StoredRun]], found: Data, most: int) -> int:
    """Put in media, those of the last steps first, as long as there is room; the bytes that they take."""
    taken = 0
    wanted = [(key, run, id, one) for key, run in members for id, one in files.media(run).items()]
    for key, run, id, one in sorted(wanted, key=lambda item: -(item[3].step or 0)):
        if one.size > most - taken:
            continue
        held = _medium(run, one)
        if held is not None:
            size = len(encode(held))
            if size <= most - taken:
                found["media"][f"{key}/{id}"] = held
                taken += size + len(key) + len(id)
    return taken


def _medium(run: StoredRun, one: Any) -> Any:
    """A table or the like as it is, anything else as a ``data:`` address; None if it cannot be read."""
    suffix = "." + one.file.rpartition(".")[2].lower()
    try:
        with files.open_file(run, one.file) as file:
            content = file.read()
    except MissingError:
        return None
    if one.type in _VIEWED:
        try:
            return plain(msgspec.json.decode(content))
        except (msgspec.DecodeError, RecursionError):
            return None
    kind = "text/html" if suffix == ".html" else served.TYPES.get(suffix, "application/octet-stream")
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _series(members: Sequence[tuple[str, StoredRun]], points: int, room: int) -> list[Data]:
    """The series of rank 0, with as many points each as there is room for."""
    every = [(key, run, one) for key, run in members for one in run.all_series() if one.counts]
    about = 260  # bytes of what is told of a series
    each = 16 * 4 / 3  # of a point: value, step, epoch and time
    lengths = np.sort([len(one.columns()["value"]) for _, _, one in every])
    most = points
    while most > FEWEST_POINTS and np.minimum(lengths, most).sum() * each + about * len(every) > room:
        most = max(FEWEST_POINTS, int(most * 0.9))
    return [one_series(key, run, one, most) for key, run, one in every]


def one_series(key: str, run: StoredRun, series: Series, points: int) -> Data:
    """A series for the page, thinned to so many points."""
    columns = series.columns()
    y = column(columns, "value")
    finite = np.flatnonzero(np.isfinite(y))
    kept = finite[thin(y[finite], points)]
    axes = {"step": column(columns, "step")}
    for name in SIDE:
        where, why = along(run, series, columns, name)
        if not why and not np.isnan(where).any():
            axes[name] = where
    odd = np.flatnonzero(~np.isfinite(y))[:200]
    starts = [one for one in run.attempt_starts(series) if one[0] < len(y)][1:]
    return {
        "run": key,
        "name": series.key.name,
        "label": run.label(series),
        "stage": series.key.stage,
        "axis": series.key.axis,
        "rank": series.key.rank,
        "total": len(y),
        "complete": len(kept) == len(finite),
        "x": {name: pack(where[kept]) for name, where in axes.items()},
        "y": pack(y[kept]),
        "nonfinite": [
            {"x": {name: float(where[i]) for name, where in axes.items()}, "value": str(float(y[i]))}
            for i in odd
        ],
        "attempts": [
            {"x": {name: float(where[i]) for name, where in axes.items()}, "attempt": attempt}
            for i, attempt in starts
        ],
    }
