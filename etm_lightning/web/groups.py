"""Groups of runs, and the studies among them."""

from __future__ import annotations

from collections import Counter
from typing import Any

from etm_lightning.evaluate.leaderboard import varying
from etm_lightning.evaluate.objective import objective, value
from etm_lightning.params import flatten
from etm_lightning.web.plain import plain
from etm_lightning.web.rows import Filter, Row, rows
from etm_lightning.web.stores import MissingError, Stores
from etm_lightning.web.studies import study, study_of


def groups(stores: Stores, store: str = "", project: str = "") -> list[dict[str, Any]]:
    """The groups, newest first: how many runs they have, and how these stand."""
    members: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows(stores, Filter(store=store, project=project)):
        if row["group"]:
            members.setdefault((row["store"], row["project"], row["group"]), []).append(row)
    found = [
        {
            "store": where[0],
            "project": where[1],
            "group": where[2],
            "runs": len(same),
            "status": dict(Counter(row["status"] for row in same)),
            "created": min(row["created"] for row in same),
            "study": study_of(stores.place(where[0]), *where[1:]) is not None,
        }
        for where, same in members.items()
    ]
    return sorted(found, key=lambda one: one["created"], reverse=True)


def group(stores: Stores, store: str, project: str, name: str) -> dict[str, Any]:
    """A group's trials: those of its study, or else its runs.

    Raises:
        MissingError: if there is no such group.
    """
    place = stores.place(store)
    members = rows(stores, Filter(store=store, project=project, group=name))
    folder = study_of(place, project, name)
    if not members and folder is None:
        raise MissingError(f"`group` must be a group of {project!r} but there is no {name[:100]!r}")
    trained = [row for row in members if not row["evaluates"]]
    found = study(folder, trained) if folder else _of_runs(stores, trained)
    found["trials"].sort(key=lambda trial: trial["number"])
    answer: dict[str, Any] = plain({"group": name, **found})
    return answer


def _of_runs(stores: Stores, members: list[Row]) -> dict[str, Any]:
    ordered = sorted(members, key=lambda row: (row["created"], row["id"]))
    runs = [stores.run(row["key"]).run for row in ordered]
    goal = objective(runs)
    names = varying([run.params for run in runs])
    trials = [
        {
            "number": number,
            "key": row["key"],
            "runs": [row["key"]],
            "status": row["status"],
            "params": {name: flat[name] for name in names if name in (flat := flatten(run.params))},
            "value": value(run, goal) if goal else None,
            "reason": row["reason"],
            "started": row["started"],
            "duration": row["duration"],
        }
        for number, (row, run) in enumerate(zip(ordered, runs, strict=True))
    ]
    known = [trial for trial in trials if trial["value"] is not None and trial["status"] == "finished"]
    sign = -1 if goal and goal.mode == "max" else 1
    best = min(known, key=lambda trial: sign * trial["value"], default=None)
    return {
        "objective": {"name": goal.metric, "direction": f"{goal.mode}imize"} if goal else None,
        "params": list(names),
        "trials": trials,
        "best": best["key"] if best else None,
        "importance": None,
        "why": "told of studies only: `train.py -m` with a sampler",
    }
