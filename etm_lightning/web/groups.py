"""Groups of runs, and the studies among them."""

from __future__ import annotations

from collections import Counter
from typing import Any

from etm_lightning.evaluate.leaderboard import varying
from etm_lightning.evaluate.objective import objective, value
from etm_lightning.layout import project_folder
from etm_lightning.optimize.folder import STUDIES, StudyFolder
from etm_lightning.params import flatten
from etm_lightning.store.run import StoredRun
from etm_lightning.web import runs
from etm_lightning.web.plain import plain
from etm_lightning.web.rows import Row
from etm_lightning.web.stores import MissingError, Stores


def groups(stores: Stores, store: str = "", project: str = "") -> list[dict[str, Any]]:
    """The groups, newest first: how many runs they have, and how these stand."""
    members: dict[tuple[str, str, str], list[Row]] = {}
    for row in runs.rows(stores, store=store, project=project):
        if row["group"]:
            members.setdefault((row["store"], row["project"], row["group"]), []).append(row)
    found = [
        {
            "store": where[0],
            "project": where[1],
            "group": where[2],
            "runs": len(rows),
            "status": dict(Counter(row["status"] for row in rows)),
            "created": min(row["created"] for row in rows),
            "study": _study(stores, *where) is not None,
        }
        for where, rows in members.items()
    ]
    return sorted(found, key=lambda one: one["created"], reverse=True)


def group(stores: Stores, store: str, project: str, name: str) -> dict[str, Any]:
    """A group's trials: those of its study, or else its runs.

    Raises:
        MissingError: if there is no such group.
    """
    stores.place(store)
    rows = [
        row for row in runs.rows(stores, store=store, project=project, group=name) if not row["evaluates"]
    ]
    study = _study(stores, store, project, name)
    if not rows and study is None:
        raise MissingError(f"`group` must be a group of {project!r} but there is no {name[:100]!r}")
    found = _of_study(study, rows) if study else _of_runs(stores, rows)
    found["trials"].sort(key=lambda trial: trial["number"])
    importance, why = _importance(found)
    return plain({"group": name, **found, "importance": importance, "why": why})  # type: ignore[no-any-return]


def _study(stores: Stores, store: str, project: str, name: str) -> StudyFolder | None:
    """The study that made the group: it has the group's name."""
    if not name or "/" in name or name.startswith("."):
        return None
    folder = StudyFolder(project_folder(stores.place(store).store.path, project) / STUDIES / name)
    return folder if folder.about_file.is_file() else None


def _of_study(folder: StudyFolder, rows: list[Row]) -> dict[str, Any]:
    about, history = folder.about(), folder.history()
    keys = {row["id"]: row for row in rows}
    best = history.best(about.direction)
    trials = []
    for trial in history.trials.values():
        row = keys.get(trial.run) or keys.get(trial.output.name)
        trials.append(
            {
                "number": trial.number,
                "key": row["key"] if row else "",
                "status": trial.state,
                "params": {name.lstrip("+"): setting for name, setting in trial.params.items()},
                "value": trial.value,
                "reason": trial.reason,
                "started": trial.started,
                "duration": trial.seconds,
            }
        )
    return {
        "objective": {"name": about.monitor, "direction": about.direction} if about.monitor else None,
        "params": [name.lstrip("+") for name in about.space],
        "space": about.space,
        "trials": trials,
        "best": next((t["key"] for t in trials if best and t["number"] == best.number), None),
        "status": "running" if folder.controlled() else history.over or "unfinished",
        "total": history.total,
    }


def _of_runs(stores: Stores, rows: list[Row]) -> dict[str, Any]:
    ordered = sorted(rows, key=lambda row: (row["created"], row["id"]))
    members: list[tuple[Row, StoredRun]] = [(row, stores.run(row["key"]).run) for row in ordered]
    goal = objective([run for _, run in members])
    names = varying([run.params for _, run in members])
    trials = []
    for number, (row, run) in enumerate(members):
        flat = flatten(run.params)
        trials.append(
            {
                "number": number,
                "key": row["key"],
                "status": row["status"],
                "params": {name: flat[name] for name in names if name in flat},
                "value": value(run, goal) if goal else None,
                "reason": run.reason,
                "started": row["started"],
                "duration": row["duration"],
            }
        )
    known = [t for t in trials if t["value"] is not None and t["status"] == "finished"]
    sign = -1 if goal and goal.mode == "max" else 1
    best = min(known, key=lambda trial: sign * trial["value"], default=None)
    return {
        "objective": {"name": goal.metric, "direction": f"{goal.mode}imize"} if goal else None,
        "params": list(names),
        "trials": trials,
        "best": best["key"] if best else None,
    }


def _importance(found: dict[str, Any]) -> tuple[list[dict[str, Any]] | None, str]:
    return None, "not computed yet"
