"""Lightning's numbers into a run: `Trainer(logger=ETMLogger("my-project"))`."""

from __future__ import annotations

import functools
import logging
import os
import sys
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, ParamSpec

from etm_lightning.layout import RunFolder, project_folder
from etm_lightning.track.outcome import Outcome, outcome_of
from etm_lightning.track.plain import plain
from etm_lightning.track.run import Run

log = logging.getLogger(__name__)

P = ParamSpec("P")


def _guarded(method: Callable[P, None]) -> Callable[P, None]:
    """A failure of ours is counted, written as an alert and shown once: it never reaches the training."""

    @functools.wraps(method)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            method(*args, **kwargs)
        except Exception as error:
            logger = args[0]
            assert isinstance(logger, ETMLogger)
            logger._failed(method.__name__, error)

    return guarded


class ETMLogger:
    """A Lightning logger that keeps every value on local disk, whatever happens to the training.

    Works with `lightning.pytorch`, `pytorch_lightning` and Fabric, alone or beside other loggers, and leaves
    those as they are. Creates nothing until training begins, and nothing on ranks other than 0. Lightning
    adds `ETMCallback` by itself; without it (``ETM_AUTO=0``) a run starts at the first value logged.

    Args:
        project: name of the project; the logger's `name`.
        save_dir: the store; by default `ETM_STORE`, else ``./etm_runs``.
        name: a readable name for the run; goes into its id.
        version: id of a run to go on with; by default a new one.
        group: the multirun or study that the run belongs to.
        tags: words to find the run by.
        notes: free text.
        question: what the experiment is to answer.
        method: how.
        log_model: also record checkpoints as artifacts: ``True`` the best one at the end, ``"all"`` each.

    >>> logger = ETMLogger("demo", "/tmp/runs", version="r1")
    >>> logger.name, logger.version, logger.log_dir
    ('demo', 'r1', '/tmp/runs/demo/r1')
    """

    group_separator = "/"

    def __init__(
        self,
        project: str = "default",
        save_dir: str | os.PathLike[str] | None = None,
        name: str | None = None,
        version: str | None = None,
        group: str | None = None,
        tags: Sequence[str] | None = None,
        notes: str | None = None,
        question: str | None = None,
        method: str | None = None,
        log_model: bool | Literal["all"] = False,
    ) -> None:
        self._options: dict[str, Any] = {
            "project": project,
            "save_dir": None if save_dir is None else os.fspath(save_dir),
            "name": name or "",
            "group": group or "",
            "tags": tuple(tags or ()),
            "notes": notes or "",
            "question": question or "",
            "method": method or "",
        }
        self.log_model = log_model
        self.failures = 0
        self._id = version
        self._attempt: int | None = None
        self._run: Run | None = None
        self._trainer: Callable[[], Any] = lambda: None
        self._params: dict[str, dict[str, Any]] = {}
        self._next_step = 0
        self._mark = ""
        self._origin: tuple[int, str] | None = None
        self.train_rows = 0
        introduce()

    # -- what Lightning asks --------------------------------------------------------------------------------

    @property
    def run(self) -> Run:
        """The run behind this logger."""
        if self._run is None:
            self._run = Run(id=self._id, **self._options)
            self._id = self._run.id
        return self._run

    @property
    def experiment(self) -> Run:
        """The run, to log text, tables, artifacts and the like."""
        return self.run

    @property
    def name(self) -> str:
        return project_folder(Path(), self._options["project"]).name

    @property
    def version(self) -> str:
        return self.run.id

    @property
    def save_dir(self) -> str:
        return str(self.run.store)

    @property
    def root_dir(self) -> str:
        return str(self.run.folder.path.parent)

    @property
    def log_dir(self) -> str:
        return str(self.run.folder.path)

    @property
    def folder(self) -> RunFolder:
        """The folder of the run."""
        return self.run.folder

    @_guarded
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Record numbers as Lightning gives them."""
        trainer = self._trainer()
        if not metrics or _rank(trainer) or (trainer is not None and trainer.sanity_checking):
            return
        values = dict(metrics)
        epoch = values.pop("epoch", None)
        stage = "train" if trainer is None or trainer.state.stage is None else str(trainer.state.stage.value)
        if step is None:
            step = self._next_step
        self._next_step = step + 1
        axis = "eval_batch" if epoch is None and _of_evaluation_batch(trainer, step) else "step"
        self.train_rows += stage == "train"
        self.run.log(values, step=step, epoch=None if epoch is None else int(epoch), stage=stage, axis=axis)

    @_guarded
    def log_hyperparams(self, params: Any = None, *args: Any, **kwargs: Any) -> None:
        """Record settings; Lightning gives them anew at every entry point, which is written once."""
        del args, kwargs
        self.record_params(params if isinstance(params, Mapping) else {} if params is None else vars(params))

    def record_params(self, params: Mapping[str, Any], about: str = "config") -> None:
        """Record settings unless the same ones have been."""
        known = self._params.get(about)
        new = plain(params)
        if _rank(self._trainer()) or not new or known == new:
            return
        self._params[about] = new
        self.run.log_params(new, about=about)

    def log_graph(self, model: Any, input_array: Any = None) -> None:
        """Lightning's hook for a model's graph; not kept yet."""

    def save(self) -> None:
        """Everything is on disk already."""

    @_guarded
    def finalize(self, status: str) -> None:
        """Lightning's entry point is over; what is logged later reopens the run."""
        if _rank(self._trainer()) or not (self.run.started or self.run.waiting):
            return
        if status == "success":
            self.run.end_with(outcome_of(None))
        elif status == "finished":  # from a SLURM requeue signal, and training goes on
            self.run.sync()
        else:
            error = sys.exc_info()[1]
            self.run.end_with(outcome_of(error) if error else Outcome("failed", f"finalize({status!r})"))

    @_guarded
    def after_save_checkpoint(self, checkpoint_callback: Any) -> None:
        """A ModelCheckpoint has saved: record where and how good."""
        trainer, id = self._trainer(), self._mark
        path = (
            getattr(checkpoint_callback, "_last_checkpoint_saved", "") or checkpoint_callback.best_model_path
        )
        if trainer is None or not id or not path:
            return
        score = checkpoint_callback.best_k_models.get(path, checkpoint_callback.current_score)
        best = path == checkpoint_callback.best_model_path
        self.run.log_checkpoint(
            id,
            path,
            step=logger_step(trainer),
            epoch=trainer.current_epoch,
            monitor=checkpoint_callback.monitor or "",
            mode=checkpoint_callback.mode if checkpoint_callback.monitor else "",
            score=None if score is None else float(score),
            best=best,
        )
        if self.log_model == "all" or (self.log_model and best):
            self.run.log_artifact(path, type="model", aliases=("best",) if best else ("latest",))

    # -- what the callback asks -----------------------------------------------------------------------------

    def attach(self, trainer: Any) -> None:
        """Follow this trainer: its stage, its rank, its clocks."""
        introduce()
        self._trainer = weakref.ref(trainer)

    def decide(self) -> tuple[str, int]:
        """Id and number of the attempt, fixed from now on, so that other processes can join it."""
        self._id = self.run.id
        if self._attempt is None:
            self._attempt = self.run.attempt or self.run.own_attempt() or self.run.folder.attempts() + 1
        return self._id, self._attempt

    def join(self, decided: tuple[str, int]) -> None:
        """Take the id and the attempt that rank 0 decided."""
        if not self.run.started:
            self._id, self._attempt = decided
            self.run.become(id=self._id)

    def go_on(self, id: str, attempt: int, checkpoint: str) -> None:
        """Be the next attempt of run `id`, from a checkpoint of one of its attempts."""
        self._id, self._attempt = id, None
        self.run.become(id=id)
        self._origin = (attempt, checkpoint)

    @_guarded
    def start(self, *, training: bool) -> None:
        """Begin to write, on rank 0; a training that goes on from nothing makes earlier attempts void."""
        if _rank(self._trainer()):
            return
        parent, checkpoint = self._origin or (None, None)
        restart = training and self._origin is None
        self.run.start(parent=parent, checkpoint=checkpoint, attempt=self._attempt, restart=restart)

    def recorded(self, about: str = "config") -> dict[str, Any]:
        """The settings recorded so far by this logger."""
        return self._params.get(about, {})

    @_guarded
    def mark_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Tie a checkpoint that is being taken to the run."""
        trainer = self._trainer()
        id = ""
        if not _rank(trainer):
            id = self._mark = self.run.mark_checkpoint(step=logger_step(trainer), epoch=trainer.current_epoch)
        checkpoint["etm"] = {
            "run": self.run.id,
            "project": self._options["project"],
            "attempt": self.run.attempt,
            "checkpoint": id,
        }

    @_guarded
    def end_with(self, error: BaseException | None) -> None:
        """The training is over because of `error`."""
        if not _rank(self._trainer()):
            self.run.end_with(outcome_of(error))

    # -- ourselves ------------------------------------------------------------------------------------------

    def _failed(self, what: str, error: Exception) -> None:
        self.failures += 1
        if self.failures > 1:
            return
        log.warning("ETMLogger.%s failed, training goes on: %s: %s", what, type(error).__name__, error)
        try:
            self.run.alert(f"ETMLogger.{what} failed", f"{type(error).__name__}: {error}", level="error")
        except Exception as again:  # the run itself cannot be written: the log line above must do
            log.debug("the alert could not be written either: %s", again)

    def __getstate__(self) -> dict[str, Any]:
        """Identity, not handles: another process that gets this logger joins the same run."""
        id, attempt = self.decide()
        state = self.__dict__ | {"_id": id, "_attempt": attempt, "_run": None}
        del state["_trainer"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._trainer = lambda: None


def logger_step(trainer: Any) -> int:
    """Lightning's step for loggers: batches after which the optimizer stepped, whatever their number."""
    return int(trainer.fit_loop.epoch_loop._batches_that_stepped)


def _of_evaluation_batch(trainer: Any, step: int) -> bool:
    """Whether a row without epoch was logged per batch by an evaluation, which counts its own batches."""
    if trainer is None or not trainer.evaluating:
        return False
    return step in getattr(trainer._evaluation_loop, "_seen_batches_per_dataloader", {}).values()


def _rank(trainer: Any) -> int:
    """Global rank of this process; before the trainer knows, what the launcher says."""
    if trainer is not None:
        return int(trainer.global_rank)
    lightning = sys.modules.get("lightning_utilities.core.rank_zero")
    if lightning is not None and hasattr(lightning.rank_zero_only, "rank"):
        return int(lightning.rank_zero_only.rank or 0)
    return int(os.environ.get("RANK") or os.environ.get("LOCAL_RANK") or os.environ.get("SLURM_PROCID") or 0)


def introduce() -> None:
    """Make `ETMLogger` a Logger to every Lightning that is imported, as `isinstance` sees it.

    CSVLogger as well: Lightning gives `log_dir` as `trainer.log_dir` only to loggers it knows, and with the
    store's root there LightningCLI would refuse to run twice.
    """
    for name in ("lightning.pytorch", "pytorch_lightning", "lightning.fabric", "lightning_fabric"):
        loggers = sys.modules.get(f"{name}.loggers")
        for known in ("Logger", "CSVLogger"):
            kind = getattr(loggers, known, None)
            if kind is not None and not issubclass(ETMLogger, kind):
                kind.register(ETMLogger)


introduce()
