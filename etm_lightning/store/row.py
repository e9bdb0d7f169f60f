"""What a list of runs says about one: the row that tables, searches and the HTTP API show."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import msgspec


class Monitor(msgspec.Struct, frozen=True):
    """The metric that chose a run's best checkpoint, its better direction, and its value there."""

    name: str
    mode: str
    score: float | None = None


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One run in a list. Times are Unix seconds, `duration` seconds.

    `params` are the settings by dotted name, `metrics` the headline values by name (those that JSON has no
    number for as the texts nan, inf and -inf), `replicates` is the hash that replicates share (empty for a
    run without settings), `alerts` and `damage` are counts.
    """

    key: str
    project: str
    id: str
    name: str
    group: str
    status: str
    reason: str
    created: float
    started: float | None
    ended: float | None
    duration: float
    attempts: int
    tags: tuple[str, ...]
    notes: str
    archived: bool
    trashed: bool
    question: str
    forked_from: str
    evaluates: str
    replicates: str
    seed: Any
    params: dict[str, Any]
    metrics: dict[str, float | str]
    monitor: Monitor | None
    alerts: int
    damage: int

    def metric(self, name: str) -> float | None:
        """The headline value of a metric; None if the run has none."""
        value = self.metrics.get(name)
        return None if value is None else float(value)

    @property
    def headline(self) -> dict[str, float]:
        """The metrics as numbers."""
        return {name: float(value) for name, value in self.metrics.items()}

    def as_json(self) -> dict[str, Any]:
        """The row as plain data for JSON."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain


def key_of(store: Path, project: str, id: str) -> str:
    """The opaque key of a run: 16 hex, stable for where its store lies.

    >>> len(key_of(Path("etm_runs"), "p", "20251123-lr=1-aaaa"))
    16
    """
    return key_in(os.path.realpath(store), project, id)


def key_in(store: str, project: str, id: str) -> str:
    """The same of a store whose real path is known."""
    place = "\0".join((store, project, id))
    return hashlib.sha256(place.encode(errors="surrogateescape")).hexdigest()[:16]
