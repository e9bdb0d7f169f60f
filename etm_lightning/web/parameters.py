"""What requests to the API may say and what comes back, in words, for the OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from etm_lightning.web import changes, curves, export, views

_JSON = "application/json"
_WHICH = {
    "store": "of the store with this id only",
    "project": "of this project only",
    "group": "of this group only",
    "q": "a search, as in `etm ls --where`",
    "archived": "1: archived runs too",
    "trashed": "1: the runs in the trash instead",
    "keys": "these runs only, with commas between",
    "known": "1: as the last look at the store found them, which costs no look; /api/events tells the rest",
}

QUERY: Mapping[str, Mapping[str, str]] = {
    "runs": {
        **_WHICH,
        "sort": "a field, param.NAME or metric.NAME, - before it for the greatest first; else -created",
        "offset": "how many to pass over",
        "limit": "how many at most, 500 if left out, 10000 at most",
        "columns": "of params and metrics only these, param.NAME and metric.NAME, with commas between",
        "curves": "1: the points of `keys` will be asked for next: the server begins to read the first run",
    },
    "columns": _WHICH,
    "sparks": {"metric": "its name", "keys": "which runs", "points": "values for each run, 40 if left out"},
    "media": {"download": "1: as a file to keep"},
    "artifact": {},
    "log": {"tail": "bytes from its end, 65536 if left out, 4 MiB at most"},
    "table": {"offset": "how many rows to pass over", "limit": "how many rows, 100 if left out"},
    "events": {"store": "of this store only", "keys": "of these runs only"},
    "compare": {
        "keys": "which runs",
        "baseline": "the run that others are compared with, the first if left out",
    },
    "groups": {"store": "of this store only", "project": "of this project only"},
    "study": {"store": "its store", "project": "its project", "group": "its name"},
}
"""By route the parameters of its query."""

BODIES: Mapping[str, type[Any]] = {
    "series": curves.Question,
    "change": changes.Change,
    "export": export.Export,
    "keep_view": views.View,
}
"""By route what its body is."""

ANSWERS: Mapping[str, tuple[str, str]] = {
    "session": (
        _JSON,
        "version, readonly, plotly (whether its figures are drawn), stores with id, name, path and projects",
    ),
    "runs": (_JSON, "total, and a page of rows"),
    "columns": (_JSON, "params with name, count, numeric, values if few; metrics with name, count, min, max"),
    "sparks": (_JSON, "by run a few values, extremes among them"),
    "run": (
        _JSON,
        "row, config, info, series, checkpoints, artifacts, media, texts, alerts, attempts, logs",
    ),
    "change": (_JSON, "the row after the change"),
    "delete": (_JSON, "the key; 409 if the run is not in the trash, or running"),
    "media": ("application/octet-stream", "the bytes, of their type; a page in a sandbox"),
    "figure": (
        "text/html",
        "a page that draws a figure of plotly, in a sandbox; 404 where plotly is missing",
    ),
    "artifact": ("application/octet-stream", "the bytes, to be kept"),
    "log": ("text/plain", "the end of the file, from a whole line on"),
    "table": (_JSON, "columns, rows, total"),
    "series": ("application/octet-stream", "ETM1, a header in JSON, and for each series x and y as doubles"),
    "events": ("text/event-stream", "`runs` with changed, added and removed keys, twice a second at most"),
    "views": (_JSON, "name and address of each, by name"),
    "keep_view": (_JSON, "all views after it"),
    "compare": (_JSON, "runs, config, info, packages, code, code_diff, metrics"),
    "groups": (_JSON, "store, project, group, runs, status, created, study"),
    "group": (_JSON, "objective, params, trials, best, importance"),
    "study": (_JSON, "objective, params, trials, best, importance"),
    "export": ("text/html", "the page"),
    "openapi": (_JSON, "this document"),
}
"""By route the type and the content of its answer."""
