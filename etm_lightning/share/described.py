"""Runs, leaderboards and their parts as plain data for ``--json``: stable keys, NaN as ``"nan"``."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import msgspec

from etm_lightning.store.values import field_of

if TYPE_CHECKING:
    from etm_lightning.evaluate.leaderboard import Leaderboard
    from etm_lightning.evaluate.leaderboard import Row as Place
    from etm_lightning.share.gc import Kept, Plan, Step
    from etm_lightning.store.row import Row
    from etm_lightning.store.run import StoredRun
    from etm_lightning.store.search import Field
    from etm_lightning.store.series import Metric


def text(value: Any) -> str:
    """`value` as JSON text that every parser reads: numbers that JSON has no form for are strings.

    >>> text({"loss": float("nan"), "best": -float("inf")})
    '{"loss": "nan", "best": "-inf"}'
    """
    return json.dumps(_finite(value), allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def room(found: Plan, done: Sequence[Step | Kept], *, applied: bool) -> str:
    """What making room comes to, as JSON text."""
    from etm_lightning.share.gc import Step

    steps = [{**asdict(one), "path": str(one.path)} for one in done if isinstance(one, Step)]
    kept = [{**asdict(one), "path": str(one.path)} for one in done if not isinstance(one, Step)]
    frees = sum(one["frees"] for one in steps)
    return text({"applied": applied, "size": found.size, "frees": frees, "steps": steps, "kept": kept})


def chosen(row: Row, columns: Sequence[Field]) -> dict[str, Any]:
    """A run's id and these columns of it."""
    return {"id": row.id, **{one.name: field_of(row, one) for one in columns}}


def brief(run: Row | StoredRun) -> dict[str, Any]:
    """What a list of runs says about one."""
    watched = run.monitor
    return {
        "id": run.id,
        "project": run.project,
        "name": run.name,
        "group": run.group,
        "status": run.status,
        "reason": run.reason,
        "created": run.created,
        "started": run.started,
        "ended": run.ended,
        "duration": run.duration,
        "attempts": run.attempts,
        "tags": list(run.tags),
        "notes": run.notes,
        "archived": run.archived,
        "trashed": run.trashed,
        "forked_from": run.forked_from,
        "evaluates": run.evaluates,
        "objective": watched and {"metric": watched.name, "mode": watched.mode, "score": watched.score},
        "headline": run.headline,
    }


def whole(run: StoredRun) -> dict[str, Any]:
    """All about a run but its points."""
    return {
        **brief(run),
        "folder": str(run.folder.path),
        "question": run.question,
        "method": run.method,
        "exit_code": run.exit_code,
        "signal": run.signal,
        "traceback": run.traceback,
        "params": run.params,
        "info": {about: run.info(about) for about in run.abouts if about != "config"},
        "metrics": {name: _metric(metric) for name, metric in run.metrics.items()},
        "checkpoints": [
            {name: value for name, value in asdict(one).items() if name != "order"} for one in run.checkpoints
        ],
        **{
            name: [msgspec.to_builtins(record) for record in getattr(run, name)]
            for name in ("alerts", "artifacts", "media", "texts", "gaps", "edits")
        },
        "damage": damage(run),
    }


def damage(run: StoredRun) -> list[dict[str, Any]]:
    """What of a run's files cannot be read, with file and offset."""
    return [
        {"run": run.id, "file": str(one.path), "offset": one.offset, "size": one.size, "reason": one.reason}
        for one in run.damage
    ]


def _metric(metric: Metric) -> dict[str, Any]:
    return {name: value for name, value in asdict(metric).items() if name != "name"} | {"metric": metric.name}


def board(title: str, found: Leaderboard) -> dict[str, Any]:
    """A leaderboard."""
    return {
        "title": title,
        "objective": asdict(found.objective) if found.objective else None,
        "winner": found.winner.best.id if found.winner else None,
        "varying": list(found.varying),
        "rows": [_row(row) for row in found.rows],
        "unranked": [{"id": run.id, "status": run.status, "why": why} for run, why in found.unranked],
    }


def _row(row: Place) -> dict[str, Any]:
    return {
        "place": row.place,
        "status": row.status,
        "n": row.score.n,
        "mean": row.score.mean,
        "sd": row.score.sd,
        "best": row.best.id,
        "runs": [run.id for run in row.runs],
        "pruned": row.pruned,
        "params": row.params,
        "metrics": row.metrics,
        "tests": row.tests,
        "evaluations": [run.id for run in row.evaluations],
        "flags": list(row.flags),
    }


def edited(run: StoredRun) -> dict[str, Any]:
    """What people may change about a run, as it stands."""
    names = ("id", "name", "group", "tags", "notes", "archived", "trashed")
    return {name: getattr(run, name) for name in names}


def edited_line(run: StoredRun) -> str:
    """The same for people."""
    named = {"name": run.name, "group": run.group, "tags": " ".join(run.tags), "notes": run.notes}
    parts = [run.id, *(f"{name}: {value}" for name, value in named.items() if value)]
    return "  ".join([*parts, *["archived"] * run.archived, *["in the trash"] * run.trashed])


def file_name(title: str) -> str:
    """`title` as the name of a file.

    >>> file_name("bert/bbc: lr=1e-5")
    'bert_bbc_lr=1e-5'
    """
    return re.sub(r"[^\w.=+,-]+", "_", title).strip("_.") or "runs"
