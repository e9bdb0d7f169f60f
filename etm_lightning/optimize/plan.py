"""What a study is to do, decided from the settings and the space."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig, OmegaConf

from etm_lightning.design.config import Search
from etm_lightning.design.space import Space
from etm_lightning.optimize.folder import Events, StudyFolder
from etm_lightning.optimize.goal import Goal, goal_of
from etm_lightning.optimize.repeats import Repeats, repeats_of
from etm_lightning.optimize.samplers import PRUNERS, SAMPLERS, name_of, pruner, sampler
from etm_lightning.optimize.study import Brain, Grid, Study, needs_optuna

N_TRIALS = 20
_PROBED = 50
_ABOVE_ZERO = (
    *("n_trials", "n_jobs", "timeout", "trial_timeout", "trials_per_gpu", "gpus_per_trial"),
    *("keep_checkpoints", "max_runtime_secs"),
)
_FREE = (
    *("n_trials", "n_jobs", "timeout", "trial_timeout", "max_retries", "resume"),
    *("confirm", "keep_checkpoints"),
    *("trials_per_gpu", "gpus_per_trial", "max_runtime_secs", "dry_run", "skip_known", "explain"),
    *("space", "zip", "when"),  # are in the space
)
"""Settings that may change while a study goes on."""


@dataclass(frozen=True)
class Plan:
    """What a study is to do, decided.

    Attributes:
        settings: as given.
        sampler: its name; "" for a class of the user's own.
        pruner: likewise.
        total: how many trials.
        goal: what is to become large or small.
        monitor: the metric that pruning follows.
        repeats: the runs of a trial.
    """

    settings: Search
    sampler: str
    pruner: str
    total: int
    goal: Goal
    monitor: str
    repeats: Repeats

    @property
    def plain_grid(self) -> bool:
        """Whether nothing of Optuna's is needed."""
        return self.sampler == "grid" and self.pruner == "none" and not self.settings.enqueue

    def kept(self) -> dict[str, Any]:
        """The settings that make the study what it is."""
        settings = {name: value for name, value in vars(self.settings).items() if name not in _FREE}
        return settings | {
            "sampler": self.settings.sampler or self.sampler,
            "direction": list(self.goal.directions) if self.goal.several else self.goal.direction,
        }

    def probes(self, tried: Space) -> list[dict[str, Any]]:
        """Points that have each value of a parameter, or its first ones, to see whether they compose."""
        return tried.examples(_PROBED)

    def check(self) -> None:
        """Make the sampler and the pruner, and forget them.

        Raises:
            ImportError: without Optuna.
            ValueError: if one of them cannot be made.
        """
        if not self.plain_grid:
            needs_optuna()
            sampler(self.settings.sampler or self.sampler, self.settings.seed, 0)
            pruner(self.settings.pruner)
        if self.repeats.fresh and not importlib.util.find_spec("scipy"):
            raise ImportError("`search.confirm` needs scipy: pip install 'etm-lightning[search]'")

    def brain(self, folder: StudyFolder, tried: Space, events: Events) -> Brain:
        """What decides on trials."""
        if self.plain_grid:
            trials = events.history.trials
            over = [number for number, trial in trials.items() if trial.over]
            return Grid(tried, {number: trial.params for number, trial in trials.items()}, over)
        return Study(
            folder.optuna_file,
            tried,
            sampler=self.settings.sampler or self.sampler,
            pruner=self.settings.pruner,
            directions=self.goal.directions,
            seed=self.settings.seed,
            enqueue=self.settings.enqueue,
        )


def settings_of(config: DictConfig, given: Mapping[str, Any], ours: bool) -> Search:
    """The settings of a search: those of the config's own `search`, else what the sweeper was given."""
    node = config.search if ours else OmegaConf.structured(Search(**given))
    found: Any = OmegaConf.to_container(node, resolve=True)
    return Search(**found | {"folds": found["folds"] or found["nfolds"]})


def plan_of(config: DictConfig, tried: Space, settings: Search) -> Plan:
    """What the settings come to for a space.

    Raises:
        ValueError: naming a setting that cannot be.
    """
    for name in _ABOVE_ZERO:
        value = getattr(settings, name)
        if value is not None and value <= 0:
            raise ValueError(f"`search.{name}` must be above 0 but got {value}")
    goal = _goal(config, settings)
    choice = settings.sampler or ("grid" if tried.size is not None else "nsgaii" if goal.several else "tpe")
    name = name_of(choice, SAMPLERS, "sampler")
    if name == "grid":
        next(tried.grid(), None)  # refuses an interval
    size = tried.size  # no point is tried twice, whatever the sampler
    total = min(settings.n_trials or (size if name == "grid" else None) or N_TRIALS, size or sys.maxsize)
    chosen = name_of(settings.pruner, PRUNERS, "pruner")
    if goal.several:
        _refuse_with_several(settings, chosen, goal)
    monitor = settings.monitor or goal.names[0]
    return Plan(settings, name, chosen, total, goal, monitor, repeats_of(config, tried, settings, goal))


def _goal(config: DictConfig, settings: Search) -> Goal:
    mode, monitor = (str(config.get(key) or "") if key in config else "" for key in ("mode", "monitor"))
    goal = goal_of(settings.objective, settings.direction, settings.monitor or monitor, mode)
    spoiled = [name for name in goal.names if name.startswith("test/")]
    if spoiled:
        raise ValueError(
            f"`search.objective` must not be measured on test data but names {spoiled[0]}: choosing by test "
            "values spoils them"
        )
    return goal


def _refuse_with_several(settings: Search, pruner: str, goal: Goal) -> None:
    for name, given in (("pruner", pruner != "none"), ("confirm", settings.confirm > 0)):
        if given:
            raise ValueError(
                f"`search.{name}` compares one value, but there are {len(goal.names)} objectives: "
                f"{', '.join(goal.names)}. Leave it out, or name one in search.objective"
            )
