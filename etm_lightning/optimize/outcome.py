"""What a study comes to: the summary before and after, its tables, and the best setting as a config."""

from __future__ import annotations

import csv
import io
import shlex
from pathlib import Path
from typing import Any

from etm_lightning.design.space import Space
from etm_lightning.optimize.checkpoints import link_best
from etm_lightning.optimize.confirmation import confirmation
from etm_lightning.optimize.folder import About, StudyFolder
from etm_lightning.optimize.goal import Goal
from etm_lightning.optimize.history import History, Trial
from etm_lightning.optimize.plan import Plan
from etm_lightning.optimize.screen import words
from etm_lightning.share.tables import number, span
from etm_lightning.track.redact import HIDDEN
from etm_lightning.track.shipping.cursors import replace


def before(folder: StudyFolder, history: History, space: Space, plan: Plan) -> list[str]:
    """What is to be tried, in lines."""
    over, total = history.count("finished", "pruned", "infeasible", "failed"), plan.total
    each = f" of {plan.repeats.planned} runs" if plan.repeats.several else ""
    words = how(plan.sampler or "own sampler", plan.pruner)
    lines = [f"study {folder.id} · {total} trial{'s' * (total != 1)}{each} · {words}"]
    if history.trials:
        lines = [f"going on with study {folder.id}: {over} of {total} trials are over"]
    return lines + summary(space)


def how(sampler: str, pruner: str) -> str:
    """How a study searches, in words.

    >>> how("tpe", "asha")
    'tpe with asha'
    """
    return sampler + ("" if pruner == "none" else f" with {pruner or 'a pruner of your own'}")


def summary(space: Space) -> list[str]:
    """What varies, a line for each."""
    width = max((len(name) for name in space.describe()), default=0)
    return [f"  {name:{width}}  {what}" for name, what in space.describe().items()]


def after(folder: StudyFolder, history: History) -> list[str]:
    """What came out, in lines."""
    goal = folder.about().goal
    counts = [
        f"{n} {state}"
        for state in ("finished", "pruned", "infeasible", "failed")
        if (n := history.count(state))
    ]
    ends = [trial.ended for trial in history.trials.values() if trial.ended]
    begins = [trial.started for trial in history.trials.values() if trial.started]
    took = f" · {span(max(ends) - min(begins))}" if ends and begins else ""
    table = near(folder.path / "results.csv")
    lines = [f"study {folder.id} · {', '.join(counts) or 'nothing tried'}{took} · {table}"]
    lines += confirmed(history, goal)
    best = goal.winner(history)
    if best is None:
        return lines
    if goal.several:
        front = goal.front(history.trials.values())
        lines += [f"Pareto set: {len(front)} trials, those that no other one beats in all objectives"]
        lines += [f"  {said(trial, goal)}" for trial in front]
        lines += [f"best.yaml is trial {best.number}, the best of them in {goal.names[0]}"]
    else:
        lines.append(f"best {said(best, goal)}")
    return [*lines, f"again: {again(folder)}"]


def said(trial: Trial, goal: Goal) -> str:
    """A trial with its values."""
    names = [name or goal.title for name in goal.names]
    values = [f"{name} {number(value)}" for name, value in zip(names, trial.values, strict=False)]
    if trial.n > 1 and values:
        values[0] += f" ± {trial.sd:.2g} (n={trial.n})"
    return " · ".join(part for part in (f"trial {trial.number}", words(trial), *values) if part)


def confirmed(history: History, goal: Goal) -> list[str]:
    """How the best trials did on fresh seeds, side by side."""
    trials = sorted(
        (trial for trial in history.trials.values() if trial.fresh), key=lambda trial: trial.number
    )
    if not trials or history.confirmed is None:
        return []
    lines = [f"{goal.title} on fresh seeds, which decide:"]
    for trial in sorted(trials, key=lambda trial: trial.number != history.confirmed):
        found = confirmation(trial)
        what = str(found) if found else "no run came to a value"
        failed = f", {found.failed} failed" if found and found.failed else ""
        before = f"{number(trial.value)} in the search"
        mark = "winner   " if trial.number == history.confirmed else "runner-up"
        lines.append(f"  {mark} trial {trial.number} · {words(trial)} · {what}{failed} · {before}")
    return lines


def again(folder: StudyFolder) -> str:
    """The command that runs the best setting alone."""
    about = folder.about()
    return shlex.join(
        ["python", *about.command[1:2], "--config-dir", near(folder.path), f"{about.experiment}=best"]
    )


def near(path: Path) -> str:
    """A path as one would type it here."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def write(folder: StudyFolder) -> None:
    """Write `results.csv`, `runs.csv` and the best settings; they come from the events, and are replaced."""
    history, about = folder.history(), folder.about()
    replace(folder.path / "results.csv", table(history, about).encode())
    if any(one.name for trial in history.trials.values() for one in trial.replicates.values()):
        replace(folder.path / "runs.csv", runs_table(history, about).encode())
    best = about.goal.winner(history)
    if best is not None:
        replace(folder.path / "experiment" / "best.yaml", config(best, about).encode())
        link_best(folder, best)
    for trial in about.goal.front(history.trials.values()) if about.objectives else ():
        replace(folder.path / "experiment" / f"pareto-{trial.number}.yaml", config(trial, about).encode())


def table(history: History, about: About) -> str:
    """One row per trial."""
    goal, names = about.goal, list(about.space)
    front = {trial.number for trial in goal.front(history.trials.values())} if goal.several else set()
    several = any(trial.n > 1 or trial.fresh for trial in history.trials.values())
    head = ["trial", *(name.lstrip("+") for name in names), *(name or goal.title for name in goal.names)]
    head += ["sd", "n", "confirmed", "confirmed_sd", "confirmed_n", "low", "high"] * several + [
        "pareto"
    ] * goal.several
    file = io.StringIO()
    rows = csv.writer(file, lineterminator="\n")
    rows.writerow([*head, "state", "reason", "attempts", "seconds", "run", "output"])
    for trial in sorted(history.trials.values(), key=lambda trial: trial.number):
        point = [trial.params.get(name, "") for name in names]
        values = [repr(value) for value in trial.values] or [""] * len(goal.names)
        more = _spread(trial) * several + ["yes" if trial.number in front else ""] * goal.several
        end = [trial.state, trial.reason, trial.attempts, round(trial.seconds, 3), trial.run, trial.output]
        rows.writerow([trial.number, *point, *values, *more, *end])
    return file.getvalue()


def _spread(trial: Trial) -> list[object]:
    again = confirmation(trial)
    if again is None:
        return [trial.sd, trial.n, *[""] * 5]
    return [trial.sd, trial.n, repr(again.spread.mean), again.spread.sd, again.spread.n, *again.interval]


def runs_table(history: History, about: About) -> str:
    """One row per run, where a trial has several."""
    file = io.StringIO()
    rows = csv.writer(file, lineterminator="\n")
    names = [name or about.goal.title for name in about.goal.names]
    rows.writerow(["trial", "seed", "fold", "fresh", *names, "state", "reason", "seconds", "run", "output"])
    for trial in sorted(history.trials.values(), key=lambda trial: trial.number):
        for one in sorted(trial.replicates.values(), key=lambda one: one.index):
            chance = dict(part.split("=") for part in one.name.split(",") if part)
            values = [repr(value) for value in one.values] or [""] * len(names)
            end = [one.state, one.reason, round(one.seconds, 3), one.run, one.output]
            what = [chance.get("seed"), chance.get("fold"), "yes" if one.fresh else ""]
            rows.writerow([trial.number, *what, *values, *end])
    return file.getvalue()


def config(best: Trial, about: About) -> str:
    """The settings of a trial as an experiment: what was typed, and what it varied."""
    typed = [one for one in about.fixed if HIDDEN not in one and "=" in one]
    typed += [f"{name}={value}" for name, value in best.params.items()]
    return f"# @package _global_\n# {said(best, about.goal)}\n" + _yaml(typed, about.groups)


def _yaml(typed: list[str], groups: list[str]) -> str:
    """Overrides as a config: what chooses a file goes into the list of defaults."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from omegaconf import OmegaConf

    chosen: list[Any] = []
    values = OmegaConf.create({})
    for override in OverridesParser.create().parse_overrides(typed):
        name = override.get_key_element()
        if name not in groups:
            OmegaConf.update(values, override.key_or_group, override.value())
        elif override.key_or_group == "experiment":
            chosen.insert(0, override.value())  # beside this one in its folder
        else:
            known = "" if name.startswith("+") else "override "
            chosen.append({f"{known}/{name.lstrip('+')}": override.value()})
    defaults = OmegaConf.to_yaml(OmegaConf.create({"defaults": [*chosen, "_self_"]}))
    return defaults + (OmegaConf.to_yaml(values) if values else "")
