"""The summary of a cross-validation, or of one setting on several seeds: each run, then mean ± sd."""

from __future__ import annotations

from collections.abc import Sequence

from etm_lightning.evaluate.summaries import spread
from etm_lightning.optimize.checkpoints import run_of
from etm_lightning.optimize.folder import StudyFolder
from etm_lightning.optimize.history import Replicate, Trial
from etm_lightning.share import table, tables
from etm_lightning.store.run import StoredRun

_OTHERS = 4
"""Further metrics that are shown."""


def show(folder: StudyFolder, trial: Trial) -> None:
    """Print a trial's runs as a table, with what else they measured in validation."""
    goal = folder.about().goal
    runs = [
        (one, run_of(folder, trial, one))
        for one in sorted(trial.searched, key=lambda one: one.index)
        if one.over
    ]
    names = [name or goal.title for name in goal.names]
    others = _others([run for _, run in runs if run is not None], names)
    rows = []
    for one, run in runs:
        known = dict(zip(names, one.values, strict=False))
        headline = run.headline if run else {}
        values = [known.get(name, headline.get(name)) for name in [*names, *others]]
        rows.append((one, values))
    cells: list[list[object]] = [
        [*_chance(one), *map(tables.number, values), one.state, tables.span(one.seconds), one.run]
        for one, values in rows
    ]
    means: list[object] = ["mean ± sd"]
    for column in range(len(names) + len(others)):
        found = [
            value for one, values in rows if one.state == "finished" and (value := values[column]) is not None
        ]
        means.append(spread(found) if found else "")
    heads = _chance_names(trial.searched)
    cells.append([*means[:1], *[""] * (len(heads) - 1), *means[1:], "", "", ""])
    table.show([*heads, *names, *others, "state", "time", "run"], cells, spare=[*others[::-1], "time"])


def _chance_names(runs: Sequence[Replicate]) -> list[str]:
    return [part.partition("=")[0] for part in runs[0].name.split(",")]


def _chance(one: Replicate) -> list[str]:
    return [part.partition("=")[2] for part in one.name.split(",")]


def _others(runs: Sequence[StoredRun], names: Sequence[str]) -> list[str]:
    """Further metrics that all runs measured in validation; those like the objective's first."""
    if not runs:
        return []
    common = [
        name
        for name, metric in runs[0].metrics.items()
        if metric.stage == "validate" and name not in names and all(name in run.headline for run in runs)
    ]
    return common[:_OTHERS]
