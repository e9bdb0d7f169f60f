"""`search.dry_run=true`: what a study would do, composed and built but not begun."""

from __future__ import annotations

import itertools
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from etm_lightning.design.space import Point, Space, bare
from etm_lightning.optimize.folder import Events, StudyFolder
from etm_lightning.optimize.freeze import Freezer
from etm_lightning.optimize.fresh import Fresh, none
from etm_lightning.optimize.outcome import how, summary
from etm_lightning.optimize.plan import Plan
from etm_lightning.params import flatten, incidental
from etm_lightning.share import table, tables
from etm_lightning.store.run import StoredRun
from etm_lightning.store.store import Store

EXAMPLES = 5
"""How many trials of a sampler are shown."""
_KIN = ("model._target_", "model.encoder", "data._target_")
_LENGTH = "max_epochs"


def rehearse(config: DictConfig, tried: Space, plan: Plan, slots: int, freezer: Freezer) -> None:
    """Show a study's trials and what they would take; nothing is started, and no study is left behind.

    Args:
        config: of the multirun.
        tried: what varies.
        plan: what the study is to do.
        slots: how many trials run at a time.
        freezer: which composes configs.

    Raises:
        hydra.errors.HydraException: if a config does not compose.
        InputError: if data, model or Trainer cannot be built.
    """
    runs = f" of {plan.repeats.planned} runs" if plan.repeats.several else ""
    words = how(plan.sampler or "own sampler", plan.pruner)
    print(f"dry run: nothing is started · {plan.total} trials{runs} · {words}")
    print("\n".join(summary(tried)))
    points = _points(tried, plan)
    configs = [freezer.compose(tried.overrides(point)) for point in points]
    _show(points, tried, plan.total)
    print(
        _built(configs[0]) if "model" in configs[0] else "nothing is built: the config has no `model` of ours"
    )
    print(_estimate(config, tried, plan, slots, configs))


def _points(tried: Space, plan: Plan) -> list[Point]:
    """All points of a grid, else as many as are told."""
    if plan.sampler == "grid":
        return list(itertools.islice(tried.grid(), plan.total))
    with tempfile.TemporaryDirectory() as place:
        folder = StudyFolder(Path(place))
        events = Events(folder)
        try:
            brain = Fresh(plan.brain(folder, tried, events), tried, events, none, plan.total, print)
            asked = [brain.ask() for _ in range(min(plan.total, EXAMPLES))]
        finally:
            events.close()
    return [one[1] for one in asked if one is not None]


def _show(points: Sequence[Point], tried: Space, total: int) -> None:
    names = list(tried.describe())
    rows = [
        [number, *(f"{v:.4g}" if isinstance(v := point.get(name, ""), float) else v for name in names)]
        for number, point in enumerate(points)
    ]
    table.show(["trial", *map(bare, names)], rows)
    if len(points) < total:
        print(f"… and {total - len(points)} more, which depend on how these do")


def _built(cfg: DictConfig) -> str:
    """Data, model, callbacks and Trainer of the first trial, in words."""
    from etm_lightning.execute.progress import hush
    from etm_lightning.execute.train import assemble
    from etm_lightning.track.logger import ETMLogger

    hush()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        cfg = OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])
        cfg.paths.store, cfg.paths.run, cfg.logger = place, f"{place}/dry", {}
        logger = ETMLogger("dry", place, version="dry")
        logger.run.hold()
        parts = assemble(cfg, logger)
        kinds = [type(part).__name__ for part in (parts.data, parts.model) if part is not None]
        rows = parts.data.describe().get("splits", {}) if hasattr(parts.data, "describe") else {}
        sizes = [f"{split} {one['rows']} rows" for split, one in rows.items() if "rows" in one]
        weights = sum(parameter.numel() for parameter in parts.model.parameters())
        seconds = time.monotonic() - began
    words = [f"{' and '.join(kinds)} are built in {tables.span(seconds)}", *sizes, f"{weights:,} parameters"]
    return " · ".join(words)


def _estimate(config: DictConfig, tried: Space, plan: Plan, slots: int, configs: Sequence[DictConfig]) -> str:
    """How long it would take, by runs of the same data and model that finished."""
    limit = plan.settings.max_runtime_secs or plan.settings.timeout
    most = f" · at most {tables.span(limit)}, as set" if limit else ""
    if "paths" not in config or "project" not in config:
        return "time: not known, as the config has no store of ours" + most
    named = {name: configs[0][name] for name in ("model", "data", "trainer")}
    first = flatten({name: OmegaConf.to_container(node, resolve=True) for name, node in named.items()})
    kin = _kin(Store(config.paths.store), config.project, first, {bare(name) for name in tried.describe()})
    if not kin:
        return (
            f"time: not known, as no run of this data and model finished in project {config.project!r}{most}"
        )
    each = statistics.median(run.duration / max(_epochs(run.params), 1) for run in kin)
    mean = statistics.fmean(max(_epochs(cfg), 1) for cfg in configs)
    total = each * mean * plan.total * plan.repeats.planned / slots
    less = ", less what pruning saves" if plan.pruner != "none" else ""
    runs = f"{len(kin)} earlier run{'s' * (len(kin) != 1)}, {tables.span(each)} an epoch"
    return f"time: about {tables.span(total)} on {slots} slot{'s' * (slots != 1)}{less}, by {runs}{most}"


def _epochs(params: Any) -> int:
    return int(params.get(_LENGTH) or 1)


def _kin(store: Store, project: str, first: dict[str, Any], varying: set[str]) -> list[StoredRun]:
    """Finished runs of the same data and model; those of the same settings otherwise, if there are any."""
    finished = [run for run in store.runs(project=project) if run.status == "finished" and not run.evaluates]
    same = [run for run in finished if _alike(run, first, [name for name in _KIN if name not in varying])]
    other = [name for name in first if not incidental(name) and name not in varying and _LENGTH not in name]
    return [run for run in same if _alike(run, first, other)] or same


def _alike(run: StoredRun, first: dict[str, Any], names: Sequence[str]) -> bool:
    known = flatten(run.params)
    return all(known.get(name) == first.get(name) for name in names)
