"""One config, one run: build, fit, test the best checkpoint, say what came out."""

from __future__ import annotations

import dataclasses
import importlib.util
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from etm_lightning.execute.build import EXTRAS, InputError, build, build_each, build_trainer, reading, takes
from etm_lightning.execute.objectives import asked, objectives
from etm_lightning.execute.progress import EpochLine, near, say, show_bar
from etm_lightning.execute.recorder import Recorder
from etm_lightning.execute.resume import last_checkpoint, named, requeued, settings
from etm_lightning.layout import RunFolder, new_run_id, new_store, project_folder
from etm_lightning.store.run import StoredRun
from etm_lightning.track.logger import ETMLogger
from etm_lightning.track.trial import trial_folder


@dataclass(frozen=True)
class Outcome:
    """What a training came to.

    Attributes:
        run: id of the run.
        folder: the folder that holds it.
        objective: the best checkpoint's monitored value; None if nothing was monitored.
        monitor: name of that value.
        checkpoint: the best checkpoint.
        metrics: last values by name, of the test too.
        objectives: the values that `search.objective` names.
    """

    run: str
    folder: Path
    objective: float | None = None
    monitor: str = ""
    checkpoint: Path | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    objectives: Mapping[str, float] = field(default_factory=dict)

    @property
    def answer(self) -> float | dict[str, float] | None:
        """What a script returns to whoever searches: the objective, or those that were asked for."""
        return dict(self.objectives) or self.objective


@dataclass(frozen=True)
class Parts:
    """What a config describes, built."""

    data: Any
    model: Any
    trainer: Any


def train(cfg: DictConfig) -> Outcome:
    """Train what `cfg` describes, and record it.

    A single run tests its best checkpoint; in a multirun nothing touches the test split.

    Raises:
        InputError: if the config or the data cannot be used; the run then says so too.
    """
    with reading("`paths.store`"):
        folder = run_folder(cfg)
    with reading("`logger`"):
        logger = logger_for(cfg, folder)
    logger.record_params(settings(cfg))
    try:
        refuse_relaunch(cfg)
        ckpt_path = checkpoint_to_go_on_from(cfg, folder)
        parts = assemble(cfg, logger)
        say(f"run {near(folder.path)} · look: etm show {folder.path.name[-4:]}")
        began = time.monotonic()
        parts.trainer.fit(parts.model, datamodule=parts.data, ckpt_path=ckpt_path)
        outcome = _outcome(cfg, folder, parts.trainer)
        if names := asked(OmegaConf.select(cfg, "search.objective")):
            known = {} if outcome.objective is None else {outcome.monitor: outcome.objective}
            size = sum(weights.numel() for weights in parts.model.parameters())
            values = objectives(names, folder, known, size, time.monotonic() - began)
            outcome = dataclasses.replace(outcome, objectives=values)
        if cfg.test and not multirun():
            outcome = dataclasses.replace(
                outcome, metrics={**outcome.metrics, **run_test(parts, outcome.checkpoint)}
            )
    except BaseException as error:
        logger.end_with(error)
        raise
    _end_line(outcome)
    return outcome


def test(run: StoredRun) -> dict[str, float]:
    """Test the best checkpoint of a run on its test split; the values are recorded with the run.

    Returns:
        The test values by name; none if there is no test split.

    Raises:
        InputError: if its best checkpoint is not there any more, or its data or model cannot be built again.
    """
    best = run.best_checkpoint
    if best is None or not (path := run.folder.path / best.path).is_file():
        raise InputError(
            f"run {run.id} has no best checkpoint to test: {best.path if best else 'none recorded'}"
        )
    cfg = DictConfig(run.params)
    cfg.logger = {}  # the curves of other loggers stay as they are
    logger = ETMLogger(run.project, run.folder.path.parents[1], version=run.id)
    logger.record_params(run.params)
    parts = assemble(cfg, logger)
    parts.trainer.fit_loop.epoch_loop._batches_that_stepped = best.step  # where these values belong
    return run_test(parts, path)


def run_test(parts: Parts, checkpoint: Path | None) -> dict[str, float]:
    """Test a checkpoint, or the model as it is; where nothing can be tested, nothing is."""
    source = parts.data if parts.data is not None else parts.model
    if not _defines(source, "test_dataloader") or not _defines(parts.model, "test_step"):
        return {}
    results = parts.trainer.test(
        parts.model, datamodule=parts.data, ckpt_path=checkpoint and str(checkpoint), verbose=False
    )
    return {name: float(value) for result in results for name, value in result.items()}


def run_folder(cfg: DictConfig) -> RunFolder:
    """Hydra's output folder, which is the run's; outside of Hydra a new one."""
    store = new_store(cfg.paths.store)
    if not HydraConfig.initialized():
        return RunFolder(project_folder(store, cfg.project) / new_run_id(cfg.name or cfg.project))
    hydra = HydraConfig.get()
    folder = RunFolder(Path(hydra.runtime.output_dir))
    # the resolver would give another folder to the ranks that Lightning launches with this command line
    node: Any = HydraConfig.instance().cfg
    with read_write(node.hydra), open_dict(node.hydra):
        node.hydra.run.dir = str(folder.path)
    return folder


def multirun() -> bool:
    """Whether this is one job of a multirun: a trial of a study, or a job of Hydra's own sweeper."""
    return trial_folder() is not None or _in_sweep()


def _in_sweep() -> bool:
    return HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN


def logger_for(cfg: DictConfig, folder: RunFolder) -> ETMLogger:
    """The logger of the run in `folder`, which writes when the training starts."""
    group = cfg.group or (Path(HydraConfig.get().sweep.dir).name if _in_sweep() else "")
    logger = ETMLogger(
        cfg.project,
        folder.path.parents[1],
        name=cfg.name,
        version=folder.path.name,
        group=group,
        tags=list(cfg.tags),
        notes=cfg.notes,
        question=cfg.question,
        method=cfg.method,
        sinks=sinks_of(cfg.logger),
        all_ranks=cfg.all_ranks,
    )
    logger.run.hold()
    return logger


def assemble(cfg: DictConfig, logger: ETMLogger) -> Parts:
    """Build data, model, callbacks, loggers and Trainer.

    Raises:
        InputError: if one of them cannot be built from what the user gave.
    """
    if cfg.seed is not None:
        pl.seed_everything(cfg.seed, workers=True, verbose=False)
    data: Any = build_data(cfg) if cfg.data.get("_target_") else None
    given = {"lr": cfg.lr}
    if hasattr(data, "model_kwargs"):
        with reading("`data`"):
            data.prepare_data()
            data.setup("fit")
            given |= data.model_kwargs()
            logger.record_params(data.describe(), about="data")
    model = build(cfg.model, "model", **given)
    if hasattr(model, "parameter_counts"):
        logger.record_params(model.parameter_counts(), about="model")
    callbacks = build_each(cfg.callbacks, "callbacks")
    bar = show_bar()
    trainer = build_trainer(
        cfg.trainer,
        logger=[logger, *build_each(_without_sinks(cfg.logger), "logger")],
        callbacks=[*callbacks, Recorder(), *([] if bar else [EpochLine()])],
        enable_progress_bar=bar,
        enable_model_summary=False,
        default_root_dir=logger.log_dir,
    )
    return Parts(data, model, trainer)


def build_data(cfg: DictConfig) -> Any:
    """The data module, for one fold of a cross-validation if there is one.

    Raises:
        InputError: if it cannot be built, or does not know of folds.
    """
    folds = {key: cfg.get(key) for key in ("fold", "folds") if cfg.get(key) is not None}
    missing = [key for key in folds if not takes(cfg.data, "data", key)]
    if missing:
        raise InputError(
            f"`search.folds` needs a data module that takes `fold` and `folds`, but {cfg.data._target_} does "
            f"not take {' and '.join(missing)}; docs/folds.md shows how"
        )
    return build(cfg.data, "data", batch_size=cfg.batch_size, **folds)


def sinks_of(node: Any) -> dict[str, Any]:
    """The loggers of a config that are sinks, fed by the run's companion: those with the key `sink`.

    Raises:
        InputError: if what a sink needs is not installed.
    """
    items = node.items() if OmegaConf.is_config(node) else ()
    found = {str(name): item for name, item in items if OmegaConf.is_config(item) and "sink" in item}
    for name, item in found.items():
        if item.sink in EXTRAS and importlib.util.find_spec(item.sink) is None:
            raise InputError(
                f"`logger={name}` needs {item.sink}, which is not installed: "
                f"pip install 'etm-lightning[{EXTRAS[item.sink]}]'"
            )
    return {name: OmegaConf.to_container(item, resolve=True) for name, item in found.items()}


def _without_sinks(node: Any) -> Any:
    names = [str(name) for name in node] if OmegaConf.is_config(node) else []
    return OmegaConf.masked_copy(node, [name for name in names if "sink" not in (node[name] or ())])


def refuse_relaunch(cfg: DictConfig) -> None:
    """Lightning starts the ranks of ddp by running the command line again: in a multirun, the whole sweep.

    Raises:
        InputError: naming what to do instead.
    """
    strategy = str(cfg.trainer.strategy)
    if _in_sweep() and strategy.startswith(("ddp", "fsdp", "deepspeed")) and "spawn" not in strategy:
        raise InputError(
            f"`trainer.strategy={strategy}` cannot run with Hydra's own sweeper: Lightning would start the "
            "whole sweep again on every rank. Use hydra/sweeper=etm, or trainer.strategy=ddp_spawn."
        )


def checkpoint_to_go_on_from(cfg: DictConfig, folder: RunFolder) -> str | None:
    """The checkpoint to begin with: that of `ckpt_path`, or the last one of the run that is gone on with.

    A job that SLURM requeued goes on with its run, whatever `ckpt_path` and `resume` say.
    """
    back = requeued(cfg) == folder
    if cfg.ckpt_path and not back:
        if not Path(cfg.ckpt_path).exists():
            raise InputError(f"`ckpt_path` must be a checkpoint but there is no {cfg.ckpt_path!r}")
        return str(cfg.ckpt_path)
    if cfg.resume == "never" and not back:
        return None
    if cfg.resume not in ("auto", "never"):
        named(cfg)
    elif not folder.identity_file.exists():
        say(f"resume=auto: no unfinished run of this config in project {cfg.project!r}; a new one begins")
        return None
    run = StoredRun(folder)
    checkpoint = last_checkpoint(run)
    what = f"from {near(checkpoint)}" if checkpoint else "from the beginning: it has no checkpoint"
    why = "requeued" if back else "resume"
    say(f"{why}: going on with {run.id}, which {_was(run.status)}, {what}")
    return str(checkpoint) if checkpoint else cfg.ckpt_path


def _was(status: str) -> str:
    return status if status in ("crashed", "failed", "finished") else f"was {status}"


def _outcome(cfg: DictConfig, folder: RunFolder, trainer: Any) -> Outcome:
    metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
    saved = trainer.checkpoint_callback
    score = getattr(saved, "best_model_score", None)
    monitor = getattr(saved, "monitor", None) or cfg.monitor
    path = getattr(saved, "best_model_path", "")
    return Outcome(
        run=folder.path.name,
        folder=folder.path,
        objective=float(score) if score is not None else metrics.get(monitor),
        monitor=monitor,
        checkpoint=Path(path) if path else None,
        metrics=metrics,
    )


def _end_line(outcome: Outcome) -> None:
    parts = [f"done {outcome.run}"]
    if outcome.objective is not None:
        parts.append(f"best {outcome.monitor} {outcome.objective:.4g}")
    headline = outcome.monitor.replace("val/", "test/")
    if headline != outcome.monitor and headline in outcome.metrics:
        parts.append(f"{headline} {outcome.metrics[headline]:.4g}")
    if outcome.checkpoint:
        parts.append(f"checkpoint {outcome.checkpoint.relative_to(outcome.folder)}")
    if not multirun():
        parts.append(f"next: etm report {outcome.run[-4:]}")
    say(" · ".join(parts))


def _defines(thing: Any, hook: str) -> bool:
    """Whether a class overrides a hook that Lightning's own classes leave empty."""
    method = getattr(type(thing), hook, None)
    return method is not None and not method.__module__.startswith(("lightning.pytorch", "pytorch_lightning"))
