"""A multirun of ours, from the command line to the results: what `hydra/sweeper=etm` does."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from etm_lightning.design.config import Search
from etm_lightning.design.space import Space, space
from etm_lightning.execute import local
from etm_lightning.execute.build import InputError
from etm_lightning.execute.configs import without_secrets
from etm_lightning.optimize import outcome
from etm_lightning.optimize.controller import Controller, Limits, Stopped
from etm_lightning.optimize.freeze import Freezer
from etm_lightning.optimize.history import About, Events, StudyFolder
from etm_lightning.optimize.samplers import PRUNERS, SAMPLERS, name_of
from etm_lightning.optimize.screen import Screen
from etm_lightning.optimize.study import Brain, Grid, Study
from etm_lightning.track.plain import plain
from etm_lightning.track.provenance import setting

N_TRIALS = 20
OURS = "etm_local"
_FREE = (
    *("n_trials", "n_jobs", "timeout", "trial_timeout", "max_retries", "resume"),
    *("trials_per_gpu", "gpus_per_trial"),
)
"""Settings that may change while a study goes on."""


def sweep(context: HydraContext, config: DictConfig, typed: Sequence[str], given: Mapping[str, Any]) -> Any:
    """Run the study that a command line asks for, or go on with it.

    Args:
        context: Hydra's.
        config: of the multirun.
        typed: the overrides.
        given: fields of `Search`, for scripts whose config has no `search` of ours.

    Returns:
        The best value; None if there is none.

    Raises:
        InputError: if the command line cannot be searched over.
        KeyboardInterrupt: if it was asked to stop; the same command goes on.
    """
    try:
        return _sweep(context, config, typed, given)
    except (ValueError, ImportError) as error:
        if isinstance(error, HydraException) or "`" not in str(error):
            raise
        raise InputError(str(error)) from error


def _sweep(context: HydraContext, config: DictConfig, typed: Sequence[str], given: Mapping[str, Any]) -> Any:
    _refuse_launcher(config)
    parsed = OverridesParser.create(config_loader=context.config_loader).parse_overrides(list(typed))
    ours = "search" in config and OmegaConf.get_type(config, "search") is Search
    tried = space([one for one in parsed if not (ours and one.key_or_group.partition(".")[0] == "search")])
    settings = _settings(config, given, ours)
    plan = _plan(config, tried, settings)
    freezer = Freezer(context, config)
    if not Path(config.hydra.sweep.dir, "study.json").exists():
        freezer.check(tried.overrides(plan.first(tried)))
    folder, lock = _folder(config, tried, plan, freezer)
    try:
        return _run(folder, config, tried, plan, freezer, context)
    finally:
        lock.release()


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

    def first(self, tried: Space) -> dict[str, Any]:
        """A point that may be tried, to see whether it composes."""
        return {
            parameter.name: parameter.low if parameter.values is None else parameter.values[0]
            for parameter in tried.parameters
        }

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


def _settings(config: DictConfig, given: Mapping[str, Any], ours: bool) -> Search:
    node = config.search if ours else OmegaConf.structured(Search(**given))
    found: Any = OmegaConf.to_container(node, resolve=True)
    return Search(**found)


def _plan(config: DictConfig, tried: Space, settings: Search) -> Plan:
    for name in ("n_trials", "n_jobs", "timeout", "trial_timeout", "trials_per_gpu", "gpus_per_trial"):
        value = getattr(settings, name)
        if value is not None and value <= 0:
            raise ValueError(f"`search.{name}` must be above 0 but got {value}")
    choice = settings.sampler or ("tpe" if tried.size is None else "grid")
    sampler = name_of(choice, SAMPLERS, "sampler")
    if sampler == "grid":
        next(tried.grid(), None)  # refuses an interval
    size = tried.size if sampler == "grid" else None
    total = min(settings.n_trials or size or N_TRIALS, size or sys.maxsize)
    mode = str(config.get("mode") or "") if "mode" in config else ""
    direction = {"min": "minimize", "max": "maximize"}.get(
        settings.direction or mode, settings.direction or "minimize"
    )
    if direction not in ("minimize", "maximize"):
        raise ValueError(f"`search.direction` must be minimize or maximize but got {direction!r}")
    monitor = settings.monitor or str(config.get("monitor") or "" if "monitor" in config else "")
    return Plan(settings, sampler, name_of(settings.pruner, PRUNERS, "pruner"), total, direction, monitor)


def _refuse_launcher(config: DictConfig) -> None:
    chosen = str(config.hydra.runtime.choices.get("hydra/launcher"))
    if chosen not in (OURS, "basic"):
        raise ValueError(
            f"`hydra/launcher` must be {OURS} with hydra/sweeper=etm but got {chosen!r}; "
            f"with hydra/sweeper=basic it works as Hydra has it"
        )


def _folder(config: DictConfig, tried: Space, plan: Plan, freezer: Freezer) -> tuple[StudyFolder, Any]:
    """The folder of the study, that of an unfinished one of the same command or a new one, and its lock."""
    folder = StudyFolder(Path(config.hydra.sweep.dir).absolute())
    signature = _signature(config, tried, plan)
    if folder.about_file.exists():
        _refuse_other(folder.about(), signature, tried, plan)
    elif plan.settings.resume and (found := _unfinished(folder.path.parent, signature)):
        folder, lock = found
        _move(config, folder)
        return folder, lock
    folder.path.mkdir(parents=True, exist_ok=True)
    lock = folder.take()
    if lock is None:
        raise InputError(
            f"`hydra.sweep.dir`: study {folder.id} runs already; see it with etm study show {folder.id}"
        )
    if not folder.about_file.exists():
        groups = freezer.groups(name for name, _ in tried.template)
        folder.describe(_about(config, tried, plan, signature, groups))
        (folder.path / "multirun.yaml").write_text(without_secrets(config))
    return folder, lock


def _unfinished(parent: Path, signature: str) -> tuple[StudyFolder, Any] | None:
    """The newest study of this signature that is not over and that nobody controls, and its lock."""
    for path in sorted(parent.glob("*/study.json"), reverse=True):
        folder = StudyFolder(path.parent)
        try:
            same = folder.about().signature == signature
        except ValueError:  # damaged: it cannot be gone on with
            continue
        if same and not folder.history().over and (lock := folder.take()) is not None:
            return folder, lock
    return None


def _move(config: DictConfig, folder: StudyFolder) -> None:
    with read_write(config.hydra), open_dict(config.hydra):
        config.hydra.sweep.dir = str(folder.path)


def _signature(config: DictConfig, tried: Space, plan: Plan) -> str:
    """Equal for commands that search the same."""
    sources = [str(source.path) for source in config.hydra.runtime.config_sources]
    # what is said to the sweeper is in the settings
    hydra = [one for one in config.hydra.overrides.hydra if not one.startswith(("hydra.swe", "hydra.mode="))]
    known = {
        "script": os.path.abspath(sys.argv[0]),
        "config": [config.hydra.job.config_name, *sources, *hydra],
        "fixed": list(tried.fixed),
        "space": tried.describe(),
        "search": _kept(plan),
    }
    return hashlib.sha256(json.dumps(known, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _kept(plan: Plan) -> dict[str, Any]:
    """The settings that make the study what it is."""
    settings = {name: value for name, value in vars(plan.settings).items() if name not in _FREE}
    return settings | {"sampler": plan.settings.sampler or plan.sampler, "direction": plan.direction}


def _about(config: DictConfig, tried: Space, plan: Plan, signature: str, groups: list[str]) -> About:
    return About(
        signature=signature,
        command=[sys.executable, *(setting(word) for word in sys.argv)],
        cwd=os.getcwd(),
        project=str(config.get("project") or "") if "project" in config else "",
        created=time.time(),
        space=tried.describe(),
        fixed=[setting(one) for one in tried.fixed],
        settings=plain(_kept(plan)),
        monitor=plan.monitor,
        direction=plan.direction,
        groups=groups,
        experiment="experiment" if "experiment" in config.hydra.runtime.choices else "+experiment",
    )


def _refuse_other(about: About, signature: str, tried: Space, plan: Plan) -> None:
    """Going on with a study by its folder needs the same space."""
    if about.signature == signature:
        return
    before = {**about.space, **dict(_parts(about.fixed)), **_named(about.settings)}
    now = {
        **tried.describe(),
        **dict(_parts(setting(one) for one in tried.fixed)),
        **_named(plain(_kept(plan))),
    }
    lines = [
        f"  {name}: was {before.get(name, 'not there')}, is {now.get(name, 'not there')}"
        for name in sorted({*before, *now})
        if before.get(name) != now.get(name)
    ]
    what = "\n".join(lines) or "  the script or its config files are others"
    raise InputError(
        f"`hydra.sweep.dir` holds a study of something else:\n{what}\nGive another folder, or none."
    )


def _parts(fixed: Any) -> list[tuple[str, str]]:
    return [(name, value or "deleted") for name, _, value in (one.partition("=") for one in fixed)]


def _named(settings: Mapping[str, Any]) -> dict[str, str]:
    return {f"search.{name}": str(value) for name, value in settings.items()}


def _run(
    folder: StudyFolder, config: DictConfig, tried: Space, plan: Plan, freezer: Freezer, context: HydraContext
) -> Any:
    events = Events(folder)
    screen = Screen(folder, plan.total, plan.monitor, plan.direction)
    controller = Controller(
        folder=folder,
        events=events,
        brain=plan.brain(folder, tried, events),
        space=tried,
        freezer=freezer,
        limits=Limits(
            plan.total, plan.settings.timeout, plan.settings.trial_timeout, plan.settings.max_retries
        ),
        slots=_slots(config, plan.settings),
        monitor=plan.monitor,
        screen=screen,
        number_needed=not plan.plain_grid,
    )
    screen.begin(
        outcome.before(folder, events.history, tried, plan.sampler or "own sampler", plan.pruner, plan.total)
    )
    try:
        controller.run()
    except Stopped as stopped:
        screen.close()
        screen.warn(
            f"study {folder.id} is not over; go on: the same command, or etm study resume {folder.id}"
        )
        if stopped.signal == 15:
            sys.exit(143)
        raise KeyboardInterrupt from None
    finally:
        screen.close()
        outcome.write(folder)
        events.close()
    screen.say(*outcome.after(folder, events.history, plan.monitor, plan.direction))
    if failed := events.history.count("failed"):
        # the first callback is the last that Hydra calls at the end
        context.callbacks.callbacks.insert(0, Failed(failed))
    best = events.history.best(plan.direction)
    return best.value if best else None


def _slots(config: DictConfig, settings: Search) -> list[local.Slot]:
    accelerator = OmegaConf.select(config, "trainer.accelerator") if "trainer" in config else None
    found = [] if accelerator == "cpu" else local.gpus()
    return local.slots(settings.n_jobs, found, settings.gpus_per_trial, settings.trials_per_gpu)


class Failed(Callback):
    """Makes the exit code tell that trials failed, once all else that follows the multirun is done."""

    def __init__(self, failed: int) -> None:
        self._failed = failed

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        print(f"{self._failed} of the runs failed", file=sys.stderr, flush=True)
        sys.exit(1)
