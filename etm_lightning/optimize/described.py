"""Studies for people and for programs."""

from __future__ import annotations

from typing import Any

import click

from etm_lightning.optimize.checkpoints import best_checkpoint
from etm_lightning.optimize.confirmation import confirmation
from etm_lightning.optimize.folder import StudyFolder
from etm_lightning.optimize.history import OVER, Trial
from etm_lightning.optimize.outcome import again
from etm_lightning.optimize.screen import words
from etm_lightning.share import table, tables


def brief(folder: StudyFolder) -> dict[str, Any]:
    """What a list of studies says about one."""
    about, history = folder.about(), folder.history()
    best = about.goal.winner(history)
    return {
        "id": folder.id,
        "project": about.project,
        "status": status(folder),
        "created": about.created,
        "trials": len(history.trials),
        "over": history.count(*OVER),
        "total": history.total,
        "failed": history.count("failed"),
        "monitor": about.goal.title if about.objectives else about.monitor,
        "direction": about.direction,
        "best": best.value if best else None,
        "setting": words(best) if best else "",
    }


def status(folder: StudyFolder) -> str:
    """``running``, ``over``, or ``unfinished``: nobody is at work on it."""
    return "running" if folder.controlled() else "over" if folder.history().over else "unfinished"


def whole(folder: StudyFolder) -> dict[str, Any]:
    """All about a study."""
    about, history = folder.about(), folder.history()
    trials = sorted(history.trials.values(), key=lambda trial: trial.number)
    return brief(folder) | {
        "folder": str(folder.path),
        "space": about.space,
        "fixed": about.fixed,
        "settings": about.settings,
        "command": about.command,
        "cwd": about.cwd,
        "list": [_trial(trial, folder.controlled()) for trial in trials],
    }


def _trial(trial: Trial, controlled: bool) -> dict[str, Any]:
    return {
        "number": trial.number,
        "params": trial.params,
        "state": "waiting" if trial.state == "running" and not controlled else trial.state,
        "value": trial.value,
        "values": list(trial.values),
        "sd": trial.sd,
        "confirmed": _confirmed(trial),
        "n": trial.n,
        "runs": [
            {
                "name": one.name,
                "fresh": one.fresh,
                "state": one.state,
                "value": one.value,
                "reason": one.reason,
                "seconds": one.seconds,
                "run": one.run,
            }
            for one in trial.replicates.values()
            if one.name
        ],
        "reason": trial.reason,
        "seconds": trial.seconds,
        "attempts": trial.attempts,
        "run": trial.run,
        "output": str(trial.output),
    }


def _confirmed(trial: Trial) -> dict[str, Any] | None:
    """How it did on fresh seeds."""
    again = confirmation(trial)
    if again is None:
        return None
    low, high = again.interval
    return {"mean": again.spread.mean, "sd": again.spread.sd, "n": again.spread.n, "low": low, "high": high}


def best(folder: StudyFolder) -> dict[str, Any]:
    """The best setting of a study.

    Raises:
        LookupError: if no trial finished with a number.
    """
    about, history = folder.about(), folder.history()
    found = about.goal.winner(history)
    if found is None:
        raise LookupError(f"study {folder.id} has no finished trial with a value yet")
    return {
        "trial": found.number,
        "setting": words(found),
        about.monitor or "objective": found.value,
        "run": run.run if (run := about.goal.best_run(found)) else found.run,
        "checkpoint": str(checkpoint) if (checkpoint := best_checkpoint(folder, found)) else "",
        "config": str(folder.path / "experiment" / "best.yaml"),
        "again": again(folder),
    }


def show_all(found: list[dict[str, Any]]) -> None:
    """Studies as a table."""
    heads = ("study", "project", "status", "trials", "failed", "objective", "best", "setting", "created")
    rows = [
        (
            one["id"],
            one["project"],
            one["status"],
            f"{one['over']}/{one['total']}",
            one["failed"] or "",
            one["monitor"],
            tables.number(one["best"]),
            one["setting"],
            tables.moment(one["created"]),
        )
        for one in found
    ]
    table.show(heads, rows, spare=("created", "failed", "project", "objective"))


def show_whole(found: dict[str, Any]) -> None:
    """A study as a table of its trials, with what is tried above."""
    click.echo(
        f"study {found['id']} · {found['status']} · {found['over']} of {found['total']} trials are over"
    )
    width = max(map(len, found["space"]), default=0)
    for name, what in found["space"].items():
        click.echo(f"  {name:{width}}  {what}")
    names = list(found["space"])
    heads = [
        "trial",
        *(name.lstrip("+") for name in names),
        found["monitor"] or "objective",
        "state",
        "time",
        "run",
    ]
    rows = [
        [
            trial["number"],
            *(_short(trial["params"].get(name, "")) for name in names),
            tables.number(trial["value"]) + (f" ± {trial['sd']:.2g}" if trial["sd"] is not None else ""),
            " · ".join(part for part in (trial["state"], trial["reason"]) if part),
            tables.span(trial["seconds"]),
            trial["run"],
        ]
        for trial in found["list"]
    ]
    table.show(heads, rows, spare=("run", "time"))


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
