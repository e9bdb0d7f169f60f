"""A multirun of ours, from the command line to the results: what `hydra/sweeper=etm` does."""

from __future__ import annotations

import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf

from etm_lightning.design.conditions import conditioned
from etm_lightning.design.config import Search
from etm_lightning.design.space import Space, space
from etm_lightning.evaluate.objective import Mode, Objective
from etm_lightning.execute import launchers
from etm_lightning.execute.build import InputError
from etm_lightning.execute.forking import targets
from etm_lightning.execute.launching import Launcher
from etm_lightning.execute.quiet import quiet
from etm_lightning.execute.resume import settings as recorded
from etm_lightning.optimize import crossed, outcome
from etm_lightning.optimize.checkpoints import Keeper
from etm_lightning.optimize.controller import Controller, Limits
from etm_lightning.optimize.crew import Crew
from etm_lightning.optimize.dry import rehearse
from etm_lightning.optimize.folder import Events, StudyFolder
from etm_lightning.optimize.freeze import Freezer
from etm_lightning.optimize.fresh import Find, Fresh, earlier, none
from etm_lightning.optimize.identity import study_folder
from etm_lightning.optimize.plan import Plan, plan_of, settings_of
from etm_lightning.optimize.recipes import first, fitting, spelled
from etm_lightning.optimize.screen import Screen
from etm_lightning.optimize.stopping import Stopped
from etm_lightning.store.store import Store


def sweep(
    context: HydraContext,
    config: DictConfig,
    typed: Sequence[str],
    given: Mapping[str, Any],
    loaded: Sequence[str] = (),
) -> Any:
    """Run the study that a command line asks for, or go on with it.

    Args:
        context: Hydra's.
        config: of the multirun.
        typed: the overrides.
        given: fields of `Search`, for scripts whose config has no `search` of ours.
        loaded: modules that the script had imported when its task was to begin.

    Returns:
        The best value; None if there is none.

    Raises:
        InputError: if the command line cannot be searched over.
        SystemExit: if it was asked to stop, by Ctrl-C (130) or SIGTERM (143); the same command goes on.
    """
    try:
        return _sweep(context, config, typed, given, loaded)
    except (ValueError, ImportError) as error:
        told = "`" in str(error) or "pip install" in str(error)
        if isinstance(error, HydraException) or not told:
            raise
        raise InputError(str(error)) from error


def _sweep(
    context: HydraContext,
    config: DictConfig,
    typed: Sequence[str],
    given: Mapping[str, Any],
    loaded: Sequence[str],
) -> Any:
    chosen = config.hydra.runtime.choices.get("hydra/launcher")
    launchers.check(config.hydra.launcher, str(chosen))
    ours = "search" in config and OmegaConf.get_type(config, "search") is Search
    settings = settings_of(config, given, ours)
    tried = tried_of(context, config, typed, settings, ours)
    settings = replace(settings, enqueue=first(settings.enqueue, settings.space or {}, tried))
    plan = plan_of(config, tried, settings)
    plan.check()
    freezer = Freezer(context, config)
    if not Path(config.hydra.sweep.dir, "study.json").exists():
        for point in plan.probes(tried):
            freezer.check(tried.overrides(point))
    recipe = str(config.hydra.runtime.choices.get("search") or "") if ours else ""
    if recipe:
        print(f"search={recipe} is {spelled(sys.argv[0], typed, recipe, settings)}", flush=True)
    find = _before(config, tried, plan, freezer)
    launcher = _launcher(config, settings, [*loaded, *(["etm_lightning.execute.train"] if ours else [])])
    try:
        if settings.dry_run:
            return rehearse(config, tried, plan, len(launcher.slots), freezer)
        folder, lock = study_folder(config, tried, plan, freezer)
        try:
            return _run(folder, launcher, tried, plan, freezer, context, find)
        finally:
            lock.release()
    finally:
        launcher.close()


def tried_of(
    context: HydraContext, config: DictConfig, typed: Sequence[str], settings: Search, ours: bool
) -> Space:
    """What a command line tries, with what the settings add to it.

    Raises:
        ValueError: naming what cannot be searched over, and the cure.
    """
    parse = OverridesParser.create(config_loader=context.config_loader).parse_overrides
    besides = [f"{name}={value}" for name, value in (settings.space or {}).items() if _has(config, str(name))]
    parsed = parse([*besides, *typed])
    if any(one.key_or_group == "search" and one.is_sweep_override() for one in parsed):
        raise ValueError("`search` is one recipe, and cannot vary: search=tpe")
    typed_here = space([one for one in parsed if not (ours and one.key_or_group.startswith("search."))])
    when = fitting(settings.when or {}, settings.space or {}, typed_here)
    return conditioned(typed_here, settings.zip, when, parse)


def _has(config: DictConfig, name: str) -> bool:
    above, _, key = name.rpartition(".")
    node = OmegaConf.select(config, above) if above else config
    return OmegaConf.is_dict(node) and key in node


def _run(
    folder: StudyFolder,
    launcher: Launcher,
    tried: Space,
    plan: Plan,
    freezer: Freezer,
    context: HydraContext,
    find: Find,
) -> Any:
    events = Events(folder)
    screen = Screen(folder, plan.total, plan.goal)
    settings = plan.settings
    controller = Controller(
        crew=Crew(folder, events, tried, freezer, launcher, plan.monitor, settings.trial_timeout),
        brain=Fresh(plan.brain(folder, tried, events), tried, events, find, plan.total, screen.say),
        goal=plan.goal,
        repeats=plan.repeats,
        limits=Limits(plan.total, settings.timeout, settings.max_retries, settings.max_runtime_secs),
        screen=screen,
        keeper=Keeper(folder, plan.goal, settings.keep_checkpoints),
        number_needed=not plan.plain_grid or plan.repeats.several or bool(settings.confirm),
    )
    screen.begin(outcome.before(folder, events.history, tried, plan))
    try:
        controller.run()
    except Stopped as stopped:
        screen.close()
        screen.warn(
            f"study {folder.id} is not over; go on: the same command, or etm study resume {folder.id}"
        )
        # in any script, not only in ours: a KeyboardInterrupt would show Hydra's traceback
        sys.exit(143 if stopped.signal == signal.SIGTERM else 130)
    finally:
        screen.close()
        outcome.write(folder)
        events.close()
    screen.say(*outcome.after(folder, events.history))
    alone = list(events.history.trials.values())
    if plan.repeats.several and len(alone) == 1 and alone[0].searched and not quiet():
        crossed.show(folder, alone[0])
    if failed := events.history.count("failed"):
        # the first callback is the last that Hydra calls at the end
        context.callbacks.callbacks.insert(0, Failed(failed))
    best = plan.goal.winner(events.history)
    return best.value if best else None


def _before(config: DictConfig, tried: Space, plan: Plan, freezer: Freezer) -> Find:
    """What finds the runs from before the study, if it is to look for them."""
    if not plan.settings.skip_known:
        return none
    if "paths" not in config or "project" not in config or not plan.monitor:
        raise ValueError("`search.skip_known` needs a config with `project`, `paths.store` and `monitor`")
    if plan.repeats.several or plan.goal.several:
        raise ValueError("`search.skip_known` knows single runs: leave out replicates, folds and objectives")
    mode: Mode = "max" if plan.goal.direction == "maximize" else "min"
    return earlier(
        Store(config.paths.store),
        config.project,
        Objective(plan.monitor, mode),
        lambda point: recorded(freezer.compose(tried.overrides(point))),
    )


def _launcher(config: DictConfig, settings: Search, loaded: Sequence[str]) -> Launcher:
    accelerator = OmegaConf.select(config, "trainer.accelerator") if "trainer" in config else None
    node: Any = OmegaConf.to_container(config.hydra.launcher, resolve=True)
    built = OmegaConf.to_container(config, resolve=False)
    assert isinstance(built, dict)
    modules = [*loaded, *targets([built[key] for key in built if key not in ("hydra", "search")])]
    return launchers.launcher(node, settings, accelerator != "cpu", modules)


class Failed(Callback):
    """Makes the exit code tell that trials failed, once all else that follows the multirun is done."""

    def __init__(self, failed: int) -> None:
        self._failed = failed

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        print(f"{self._failed} of the runs failed", file=sys.stderr, flush=True)
        sys.exit(1)
