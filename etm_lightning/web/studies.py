"""A study's trials as the page shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from etm_lightning.layout import project_folder
from etm_lightning.optimize.folder import STUDIES, StudyFolder
from etm_lightning.optimize.history import Trial
from etm_lightning.web.rows import Row
from etm_lightning.web.stores import Place


def study_of(place: Place, project: str, group: str) -> StudyFolder | None:
    """The study that made a group: it has the group's name."""
    if not group or "/" in group or "\0" in group or group.startswith("."):
        return None
    folder = StudyFolder(project_folder(place.store.path, project) / STUDIES / group)
    try:
        return folder if folder.about_file.is_file() else None
    except OSError:  # no file can have so long a name
        return None


def study(folder: StudyFolder, rows: list[Row]) -> dict[str, Any]:
    """A study: what is tried, and what came of it.

    Args:
        folder: of the study.
        rows: its runs.
    """
    about, history = folder.about(), folder.history()
    keys = {row["id"]: row["key"] for row in rows}
    winner = about.goal.winner(history)
    controlled = folder.controlled()
    importance, why = _importance(folder)
    objectives = [
        {"name": name, "direction": direction}
        for name, direction in zip(about.goal.names, about.goal.directions, strict=True)
    ]
    return {
        "objective": objectives[0] if about.goal.title else None,
        "objectives": objectives,
        "params": [_plain(name) for name in about.space],
        "space": {_plain(name): what for name, what in about.space.items()},
        "trials": [_trial(trial, keys, controlled) for trial in history.trials.values()],
        "best": _key(winner, keys) or None if winner else None,
        "status": "running" if controlled else "over" if history.over else "unfinished",
        "total": history.total,
        "importance": importance,
        "why": why,
    }


def _plain(name: str) -> str:
    return name.lstrip("+")


def _trial(trial: Trial, keys: Mapping[str, str], controlled: bool) -> dict[str, Any]:
    return {
        "number": trial.number,
        "key": _key(trial, keys),
        "runs": [keys[name] for name in _runs(trial) if name in keys],
        "status": "waiting" if trial.state == "running" and not controlled else trial.state,
        "params": {_plain(name): value for name, value in trial.params.items()},
        "value": trial.value,
        "values": list(trial.values),
        "sd": trial.sd,
        "n": trial.n,
        "reason": trial.reason,
        "started": trial.started,
        "duration": trial.seconds,
    }


def _key(trial: Trial, keys: Mapping[str, str]) -> str:
    return next((keys[name] for name in _runs(trial) if name in keys), "")


def _runs(trial: Trial) -> list[str]:
    """Ids of the runs of a trial, as far as they are known: while one goes on only its folder is."""
    every = [(trial.run, trial.output), *((one.run, one.output) for one in trial.replicates.values())]
    return list(dict.fromkeys(name for run, output in every for name in (run, output.name) if name))


def _importance(folder: StudyFolder) -> tuple[list[dict[str, Any]] | None, str]:
    """How much each parameter mattered, or why that cannot be told."""
    try:
        from etm_lightning.optimize.plots import importance

        found = importance(folder)
    except ModuleNotFoundError as error:
        return None, f"needs {error.name}: pip install 'etm-lightning[search]'"
    except (ValueError, RuntimeError) as error:
        return None, str(error)
    why = "PED-ANOVA over the finished trials (Watanabe et al., 2023)"
    return [{"name": _plain(name), "value": value} for name, value in found.items()], why
