"""A run as a line of the table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from etm_lightning.params import experiment_fingerprint, flatten
from etm_lightning.store.run import StoredRun
from etm_lightning.web.plain import plain

Row = dict[str, Any]


def row(key: str, store: str, run: StoredRun) -> Row:
    """What a table says about a run: who it is, what became of it, its settings and headline values.

    Args:
        key: by what the API calls it.
        store: the id of its store.
        run: the run.
    """
    best = run.best_checkpoint
    flat = flatten(run.params)
    found: Row = plain(
        {
            "key": key,
            "store": store,
            "project": run.project,
            "id": run.id,
            "name": run.name,
            "group": run.group,
            "status": run.status,
            "created": run.created,
            "started": run.started,
            "ended": run.ended,
            "duration": run.duration,
            "attempts": run.attempts,
            "tags": run.tags,
            "notes": run.notes,
            "archived": run.archived,
            "trashed": run.trashed,
            "question": run.question,
            "forked_from": run.forked_from,
            "evaluates": run.evaluates,
            "replicates": experiment_fingerprint(run.params),
            "seed": _seed(flat),
            "params": flat,
            "metrics": run.headline,
            "monitor": {"name": best.monitor, "mode": best.mode} if best and best.monitor else None,
            "alerts": len(run.alerts),
            "damage": len(run.damage),
        }
    )
    return found


def _seed(flat: Mapping[str, Any]) -> Any:
    """The seed among settings by dotted name: `seed` itself, else the shortest name that ends so."""
    names = [name for name in flat if name.rpartition(".")[2] == "seed"]
    return flat[min(names, key=len)] if names else None
