"""What a study comes to: the summary before and after, `results.csv`, and the best setting as a config."""

from __future__ import annotations

import csv
import io
import shlex
from pathlib import Path
from typing import Any

from etm_lightning.design.space import Space
from etm_lightning.optimize.folder import About, StudyFolder
from etm_lightning.optimize.history import History, Trial
from etm_lightning.optimize.screen import words
from etm_lightning.share.tables import number, span
from etm_lightning.track.redact import HIDDEN
from etm_lightning.track.shipping.cursors import replace


def before(
    folder: StudyFolder, history: History, space: Space, sampler: str, pruner: str, total: int
) -> list[str]:
    """What is to be tried, in lines."""
    over = history.count("finished", "pruned", "infeasible", "failed")
    lines = [f"study {folder.id} · {total} trial{'s' * (total != 1)} · {how(sampler, pruner)}"]
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


def after(folder: StudyFolder, history: History, monitor: str, direction: str) -> list[str]:
    """What came out, in lines."""
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
    best = history.best(direction)
    if best is not None:
        parts = [f"best trial {best.number}", words(best), f"{monitor or 'objective'} {number(best.value)}"]
        lines.append(" · ".join(part for part in parts if part))
        lines.append(f"again: {again(folder)}")
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
    """Write `results.csv` and the best setting; both come from the events, and are replaced."""
    history, about = folder.history(), folder.about()
    replace(folder.path / "results.csv", table(history, about).encode())
    best = history.best(about.direction)
    if best is not None:
        replace(folder.path / "experiment" / "best.yaml", config(best, about).encode())


def table(history: History, about: About) -> str:
    """One row per trial."""
    names = list(about.space)
    head = ["trial", *(name.lstrip("+") for name in names), about.monitor or "objective"]
    file = io.StringIO()
    rows = csv.writer(file, lineterminator="\n")
    rows.writerow([*head, "state", "reason", "attempts", "seconds", "run", "output"])
    for trial in sorted(history.trials.values(), key=lambda trial: trial.number):
        values = [trial.params.get(name, "") for name in names]
        value = "" if trial.value is None else repr(trial.value)
        end = [trial.state, trial.reason, trial.attempts, round(trial.seconds, 3), trial.run, trial.output]
        rows.writerow([trial.number, *values, value, *end])
    return file.getvalue()


def config(best: Trial, about: About) -> str:
    """The settings of a trial as an experiment: what was typed, and what it varied."""
    typed = [one for one in about.fixed if HIDDEN not in one and "=" in one]
    typed += [f"{name}={value}" for name, value in best.params.items()]
    head = f"# @package _global_\n# trial {best.number}: {about.monitor or 'objective'} {best.value}\n"
    return head + _yaml(typed, about.groups)


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
