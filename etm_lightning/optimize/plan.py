"""What a study is to do, decided from the settings and the space."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig, OmegaConf

from etm_lightning.design.config import Search
from etm_lightning.design.space import Space
from etm_lightning.optimize.folder import Events, StudyFolder
from etm_lightning.optimize.samplers import PRUNERS, SAMPLERS, name_of, pruner, sampler
from etm_lightning.optimize.study import Brain, Grid, Study, needs_optuna

N_TRIALS = 20
_PROBED = 50
_FREE = (
    *("n_trials", "n_jobs", "timeout", "trial_timeout", "max_retries", "resume"),
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
        direction: ``minimize`` or ``maximize``.
        monitor: the metric that pruning follows, and the name of the objective.
    """

    settings: Search
    sampler: str
    pruner: str
    total: int
    direction: str
    monitor: str

    @property
    def plain_grid(self) -> bool:
        """Whether nothing of Optuna's is needed."""
        return self.sampler == "grid" and self.pruner == "none" and not self.settings.enqueue

    def kept(self) -> dict[str, Any]:
        """The settings that make the study what it is."""
        settings = {name: value for name, value in vars(self.settings).items() if name not in _FREE}
        return settings | {"sampler": self.settings.sampler or self.sampler, "direction": self.direction}

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
            direction=self.direction,
            seed=self.settings.seed,
            enqueue=self.settings.enqueue,
        )


def settings_of(config: DictConfig, given: Mapping[str, Any], ours: bool) -> Search:
    """The settings of a search: those of the config's own `search`, else what the sweeper was given."""
    node = config.search if ours else OmegaConf.structured(Search(**given))
    found: Any = OmegaConf.to_container(node, resolve=True)
    return Search(**found)


def plan_of(config: DictConfig, tried: Space, settings: Search) -> Plan:
    """What the settings come to for a space.

    Raises:
        ValueError: naming a setting that cannot be.
    """
    for name in (
        "n_trials",
        "n_jobs",
        "timeout",
        "trial_timeout",
        "trials_per_gpu",
        "gpus_per_trial",
        "max_runtime_secs",
    ):
        value = getattr(settings, name)
        if value is not None and value <= 0:
            raise ValueError(f"`search.{name}` must be above 0 but got {value}")
    choice = settings.sampler or ("tpe" if tried.size is None else "grid")
    name = name_of(choice, SAMPLERS, "sampler")
    if name == "grid":
        next(tried.grid(), None)  # refuses an interval
    size = tried.size  # no point is tried twice, whatever the sampler
    total = min(settings.n_trials or (size if name == "grid" else None) or N_TRIALS, size or sys.maxsize)
    mode = str(config.get("mode") or "") if "mode" in config else ""
    direction = {"min": "minimize", "max": "maximize"}.get(
        settings.direction or mode, settings.direction or "minimize"
    )
    if direction not in ("minimize", "maximize"):
        raise ValueError(f"`search.direction` must be minimize or maximize but got {direction!r}")
    monitor = settings.monitor or str(config.get("monitor") or "" if "monitor" in config else "")
    return Plan(settings, name, name_of(settings.pruner, PRUNERS, "pruner"), total, direction, monitor)
