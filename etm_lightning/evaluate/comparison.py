"""Runs side by side: what was set, what ran, and how far the values differ beyond chance."""

from __future__ import annotations

import difflib
import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from etm_lightning.evaluate.bootstrap import bootstrap
from etm_lightning.evaluate.difference import Difference, difference
from etm_lightning.evaluate.leaderboard import varying
from etm_lightning.evaluate.replicates import Replicates, canonical, chance, replicates
from etm_lightning.evaluate.summaries import Spread, spread
from etm_lightning.params import flatten
from etm_lightning.store.run import StoredRun

Method = Literal["t", "bootstrap"]
METHODS = ("t", "bootstrap")


@dataclass(frozen=True)
class Line:
    """One name and its value in each run; `differs` if they are not all the same."""

    name: str
    values: tuple[Any, ...]
    differs: bool
    about: str = "config"


@dataclass(frozen=True)
class Group:
    """Replicates of one setting: `label` tells it from the others."""

    label: str
    runs: tuple[StoredRun, ...]


@dataclass(frozen=True)
class MetricLine:
    """A metric: its headline value in each run; its spread and difference from the baseline in each group.

    `deltas` has None for the baseline's own group and where there are no values.
    """

    name: str
    mode: str
    values: tuple[float | None, ...]
    groups: tuple[Spread | None, ...]
    deltas: tuple[Difference | None, ...]


@dataclass(frozen=True)
class Comparison:
    """Runs side by side, the baseline's group first."""

    runs: tuple[StoredRun, ...]
    baseline: StoredRun
    groups: tuple[Group, ...]
    config: tuple[Line, ...]
    info: tuple[Line, ...]
    packages: tuple[Line, ...]
    code: tuple[Mapping[str, Any], ...]
    code_diff: str | None
    metrics: tuple[MetricLine, ...]


def compare(
    runs: Sequence[StoredRun],
    *,
    baseline: StoredRun | None = None,
    pool: Iterable[StoredRun] = (),
    method: Method = "t",
) -> Comparison:
    """Compare runs.

    Args:
        runs: the runs, one at least.
        baseline: the one that others are compared with; by default the first.
        pool: more runs, of which the replicates of `runs` count for mean, deviation and test.
        method: of the test: ``t`` (paired where the seeds are the same, else Welch's) or ``bootstrap``.

    Raises:
        ValueError: if there are no runs.
        ImportError: without scipy, where there is something to test.
    """
    if not runs:
        raise ValueError("`runs` must be one at least but got none")
    first = baseline or runs[0]
    groups = _groups(runs, first, pool)
    facts = [_facts(run) for run in runs]
    abouts = dict.fromkeys(about for one in facts for about in one)
    info = [line for about in abouts for line in lines([one.get(about, {}) for one in facts], about)]
    return Comparison(
        runs=tuple(runs),
        baseline=first,
        groups=groups,
        config=tuple(lines([flatten(run.params) for run in runs])),
        info=tuple(info),
        packages=tuple(lines([_packages(run) for run in runs], "packages")),
        code=tuple(_code(run) for run in runs),
        code_diff=_code_diff(first, runs),
        metrics=tuple(_metric(name, runs, groups, method) for name in _names(runs, first)),
    )


def lines(columns: Sequence[Mapping[str, Any]], about: str = "config") -> list[Line]:
    """One line for each name that a column has.

    >>> lines([{"lr": 1, "seed": 1}, {"lr": 2, "seed": 1}])[0]
    Line(name='lr', values=(1, 2), differs=True, about='config')
    """
    names = dict.fromkeys(name for column in columns for name in column)
    found = []
    for name in names:
        values = tuple(column.get(name) for column in columns)
        known = {canonical(column[name]) if name in column else b"" for column in columns}
        found.append(Line(name, values, len(known) > 1, about))
    return found


def _facts(run: StoredRun) -> dict[str, dict[str, Any]]:
    found = {about: flatten(run.info(about)) for about in run.abouts if about != "config"}
    return {
        about: {name: value for name, value in known.items() if not name.startswith("packages.")}
        for about, known in found.items()
    }


def _packages(run: StoredRun) -> Mapping[str, Any]:
    known = run.info("start").get("packages")
    return known if isinstance(known, Mapping) else {}


def _code(run: StoredRun) -> dict[str, Any]:
    git = run.info("start").get("git")
    known = git if isinstance(git, Mapping) else {}
    return {"commit": known.get("commit", ""), "dirty": known.get("dirty"), "diff": known.get("diff", "")}


def saved_diff(run: StoredRun) -> str | None:
    """What differed from the commit, where `save_code` kept it."""
    return next((text.text for text in reversed(run.texts) if text.name == "code.diff"), None)


def _code_diff(baseline: StoredRun, runs: Sequence[StoredRun]) -> str | None:
    """How what differed from the commit differs between the baseline and the others; None if unknown."""
    before = saved_diff(baseline)
    parts: list[str] = []
    for run in runs:
        after = saved_diff(run)
        if run is not baseline and before != after and (before or after):
            parts += difflib.unified_diff(
                (before or "").splitlines(), (after or "").splitlines(), baseline.id, run.id, lineterm=""
            )
    return "\n".join(parts) if parts else None


def _groups(runs: Sequence[StoredRun], baseline: StoredRun, pool: Iterable[StoredRun]) -> tuple[Group, ...]:
    """The replicates of each run, each setting once, the baseline's first."""
    known = {run.folder.path: run for run in runs}
    for run in pool:
        known.setdefault(run.folder.path, run)
    chosen = {run.folder.path for run in runs}
    sets = [
        same for same in replicates(known.values()) if any(run.folder.path in chosen for run in same.runs)
    ]
    sets.sort(key=lambda same: not any(run.folder.path == baseline.folder.path for run in same.runs))
    names = varying([same.runs[0].params for same in sets])
    return tuple(Group(_label(same, names, chosen), _counted(same, chosen)) for same in sets)


def _counted(same: Replicates, chosen: set[Any]) -> tuple[StoredRun, ...]:
    """One run for each seed; a run that was asked for counts even if it did not finish."""
    return same.counted or tuple(run for run in same.runs if run.folder.path in chosen)


def _label(same: Replicates, names: Sequence[str], chosen: set[Any]) -> str:
    flat = flatten(same.runs[0].params)
    told = ", ".join(f"{name}={flat[name]}" for name in names if name in flat)
    run = next(run for run in same.runs if run.folder.path in chosen)
    return told or run.name or run.id


def _names(runs: Sequence[StoredRun], baseline: StoredRun) -> list[str]:
    """The metrics of all runs: that which chose the best checkpoint first, then test values."""
    best = baseline.best_checkpoint
    first = best.monitor if best else ""
    stages = {name: stage for run in runs for name, stage in run.stages.items()}
    return sorted(stages, key=lambda name: (name != first, stages[name] != "test", name))


def _metric(name: str, runs: Sequence[StoredRun], groups: Sequence[Group], method: Method) -> MetricLine:
    modes = {best.monitor: best.mode for run in runs if (best := run.best_checkpoint)}
    test = difference if method == "t" else bootstrap
    numbers = [_finite(group.runs, name) for group in groups]
    deltas = [
        test(numbers[0], ours) if place and ours and numbers[0] else None
        for place, ours in enumerate(numbers)
    ]
    return MetricLine(
        name,
        modes.get(name, ""),
        tuple(run.headline.get(name) for run in runs),
        tuple(spread(ours.values()) if ours else None for ours in numbers),
        tuple(deltas),
    )


def _finite(runs: Iterable[StoredRun], name: str) -> dict[Hashable, float]:
    """The finite values of a metric by what chance the runs had."""
    found = {chance(run): run.headline.get(name) for run in runs}
    return {key: value for key, value in found.items() if value is not None and math.isfinite(value)}
