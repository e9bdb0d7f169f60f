"""The runs of which a trial consists, and those that show afterwards whether the winner was lucky."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig

from etm_lightning.design.chances import Chance, chances, fresh_seeds
from etm_lightning.design.config import Search
from etm_lightning.design.space import Space, bare
from etm_lightning.optimize.confirmation import confirmation
from etm_lightning.optimize.crew import Task
from etm_lightning.optimize.goal import Goal
from etm_lightning.optimize.history import History, Trial
from etm_lightning.optimize.verdicts import known_optimum

CANDIDATES = 2
"""The winner of a search and the runner-up are confirmed."""


@dataclass(frozen=True)
class Repeats:
    """How often a point is trained.

    Attributes:
        chances: seed and fold of each run of a trial.
        fresh: of each run that confirms a trial after the search.
        optimum: the best value that a run can have; None if that is not known.
        between_runs: whether pruning compares whole runs, rather than the validations of the first one.
    """

    chances: tuple[Chance, ...] = (Chance(),)
    fresh: tuple[Chance, ...] = ()
    optimum: float | None = None
    between_runs: bool = False

    @property
    def planned(self) -> int:
        return len(self.chances)

    @property
    def several(self) -> bool:
        """Whether a trial consists of runs with a seed or fold of their own, be it a single one."""
        return bool(self.chances[0].name)

    @property
    def reports_runs(self) -> bool:
        """Whether the value of each run goes to the pruner."""
        return self.several and self.between_runs

    def reports_steps(self, index: int) -> bool:
        """Whether the validations of a run go to the pruner.

        Trials are compared on their first run, which has the same seed and fold in all of them.
        """
        return index == 0 and not self.reports_runs

    def tasks(self, number: int) -> list[Task]:
        """The runs of a trial."""
        return [Task(number, index, chance) for index, chance in enumerate(self.chances)]

    def confirming(self, number: int) -> list[Task]:
        """The runs that confirm a trial."""
        first = len(self.chances)
        return [Task(number, first + index, chance, True) for index, chance in enumerate(self.fresh)]

    def candidates(self, history: History, goal: Goal) -> list[Trial]:
        """The trials that are to be confirmed, the best first."""
        return history.ranked(goal.direction)[:CANDIDATES] if self.fresh else []

    @staticmethod
    def winner(trials: Sequence[Trial], goal: Goal) -> Trial:
        """The one that did best on fresh seeds; if none of them came to a value, the one the search chose."""
        means = {trial.number: again.spread.mean for trial in trials if (again := confirmation(trial))}
        fit = [trial for trial in trials if trial.number in means] or [trials[0]]
        best = fit[0]
        for trial in fit[1:]:
            best = trial if goal.better(means[trial.number], means[best.number]) else best
        return best


def repeats_of(config: DictConfig, tried: Space, settings: Search, goal: Goal) -> Repeats:
    """The runs of a trial that the settings ask for.

    Args:
        config: of the multirun, whose `seed` is the first one.
        tried: what varies, which must not be the seed too.
        settings: of the search.
        goal: of the study.

    Raises:
        ValueError: naming the setting that cannot be.
    """
    for name, least in (("replicates", 0), ("confirm", 0), ("folds", 0)):
        value = getattr(settings, name)
        if value < least or (name == "folds" and value == 1):
            raise ValueError(
                f"`search.{name}` must be 0 or {2 if name == 'folds' else 1} or more but got {value}"
            )
    folds = settings.folds or settings.nfolds
    if settings.seeds and settings.replicates not in (0, len(settings.seeds)):
        raise ValueError("`search.replicates` and `search.seeds` say two things: give one of them")
    if len(set(settings.seeds)) < len(settings.seeds):
        raise ValueError(f"`search.seeds` must differ but got {list(settings.seeds)}")
    seeded = bool(settings.seeds or settings.replicates or settings.confirm)
    _need(config, tried, {"seed": "search.replicates"} if seeded else {})
    _need(config, tried, {"fold": "search.folds", "folds": "search.folds"} if folds else {})
    first = int(config.get("seed") or 1) if "seed" in config else 1
    seeds = list(settings.seeds) or [first + number for number in range(settings.replicates)]
    return Repeats(
        chances(seeds, folds),
        chances(fresh_seeds(settings.confirm, seeds or [first]), folds) if settings.confirm else (),
        known_optimum(goal) if settings.optimum is None else settings.optimum,
        _between_runs(settings.pruner),
    )


def _need(config: DictConfig, tried: Space, keys: Mapping[str, str]) -> None:
    for key, setting in keys.items():
        if key not in config:
            raise ValueError(f"`{setting}` sets `{key}`, which the config must have: add {key}: null to it")
        if any(bare(name) == key for one in tried.parameters for name in one.names):
            raise ValueError(f"`{setting}` sets `{key}`, which varies too: leave {key}=… out")


def _between_runs(pruner: Any) -> bool:
    """Whether a pruner compares runs: Wilcoxon's test does, and without a pruner the sampler still learns."""
    target = str(pruner.get("_target_") or pruner.get("name")) if isinstance(pruner, Mapping) else str(pruner)
    return target in ("none", "wilcoxon") or target.endswith(".WilcoxonPruner")
