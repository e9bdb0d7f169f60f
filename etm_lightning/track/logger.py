"""Lightning's numbers into a run: `Trainer(logger=ETMLogger("my-project"))`."""

from __future__ import annotations

import functools
import logging
import os
import signal
import sys
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, ParamSpec

from etm_lightning.layout import RunFolder, project_folder
from etm_lightning.track.clocks import last_batch, logger_step, of_evaluation_batch, rank_of, row_to_come
from etm_lightning.track.farewell import farewell
from etm_lightning.track.media.graph import summary
from etm_lightning.track.media.placed import Placed
from etm_lightning.track.models import Kept, Models
from etm_lightning.track.origin import (
    Decision,
    adopt,
    fork_reason,
    move_checkpoints,
    origins,
    relocate,
    run_of,
)
from etm_lightning.track.outcome import Outcome, outcome_of
from etm_lightning.track.plain import plain
from etm_lightning.track.run import Run
from etm_lightning.track.shipping.companion import wanted
from etm_lightning.track.shipping.keeper import keep
from etm_lightning.track.shipping.outpost import Outpost
from etm_lightning.track.sinks.sink import specifications
from etm_lightning.track.slurm import requeue_path
from etm_lightning.track.trial import study

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


class ETMLogger(Placed):
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
        log_model: also record checkpoints as versions of the artifact ``model``: ``True`` those kept at the
            end, the best and the last among them, ``"all"`` each when it is saved.
        log_graph: also record the operations of a model that has an ``example_input_array``.
        sinks: where else the values go, without the training waiting for it: ``tensorboard``, ``wandb``,
            ``mlflow``, or mappings with ``sink`` and that sink's options.
        shipper: whether a companion process delivers to the sinks and samples the hardware.
        finish_timeout: seconds to wait for the sinks when the process ends; by default 5, or 60 where what is
            left behind would be killed.
        alerts: limits of what the companion alerts to, by name (`track.shipping.alerts.Limits`);
            False for none, by default as the variable ``ETM_ALERTS`` says.
        webhook: address that takes alerts as Slack does; by default the variable ``ETM_WEBHOOK``. It is a
            secret and is not recorded.
        save_code: record the diff of tracked files from their commit as text ``code.diff``, without secrets.
        all_ranks: every rank records its own values, rank 0 all else; needs `ETMCallback`.

    Attributes:
        failures: how many calls failed on our side; the first is an alert in the run.

    Raises:
        ValueError: if project or version cannot name a folder, or `alerts` or `webhook` cannot be used.

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
        sinks: list[str | dict[str, Any]] | dict[str, Any] | None = None,
        shipper: bool = True,
        finish_timeout: float | None = None,
        save_code: bool = False,
        log_graph: bool = False,
        all_ranks: bool = False,
        alerts: bool | dict[str, float] | None = None,
        webhook: str | None = None,
    ) -> None:
        self._options: dict[str, Any] = {
            "project": project,
            "save_dir": None if save_dir is None else os.fspath(save_dir),
            "id": version,
            "name": name or "",
            "group": group or study(),
            "tags": (tags,) if isinstance(tags, str) else tuple(tags or ()),
            "notes": notes or "",
            "question": question or "",
            "method": method or "",
            "sinks": specifications(sinks),
            "shipper": shipper,
            "finish_timeout": finish_timeout,
            "save_code": save_code,
            "alerts": alerts,
            "webhook": webhook,
        }
        Run(**self._options)  # tells at once what cannot be
        self._models = Models(log_model)
        self._wants_graph = log_graph
        self.all_ranks = all_ranks
        self.failures = 0
        self._run: Run | None = None
        self._outpost: Outpost | None = None
        self._trainer: Callable[[], Any] = lambda: None
        self._params: dict[str, dict[str, Any]] = {}
        self._given: dict[str, dict[str, Any]] = {}
        self._configured = False
        self._next_step = 0
        self._newest: tuple[Any, dict[str, Any]] = -1, {}
        self._epoch_began = 0
        self._epoch: Literal["", "open", "closing"] = ""
        self._mark = ""
        self._loaded = self._trained = self._described = False
        self._requeue: Literal["", "asked", "saved"] = ""
        self._pruned = ""
        introduce()

    # -- what Lightning asks --------------------------------------------------------------------------------

    @property
    def run(self) -> Run:
        """The run behind this logger."""
        if self._run is None:
            self._run = Run(**self._options)
            self._run.hold("values")
            trainer = self._trainer()
            self._run.rank = rank_of(trainer)
            self._run.muted = self._run.rank > 0 and (trainer is None or not self.all_ranks)
        return self._run

    @property
    def experiment(self) -> Run:
        """The run; on ranks above 0 Lightning's stand-in, which takes any call and does nothing."""
        known = (
            sys.modules.get(f"{name}.loggers.logger") for name in ("lightning.fabric", "lightning_fabric")
        )
        stand_in = next((module._DummyExperiment for module in known if module), None)
        if stand_in is not None and rank_of(self._trainer()) > 0:
            return stand_in()  # type: ignore[no-any-return]  # as Lightning's own loggers do
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

    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Record numbers as Lightning gives them."""
        try:  # as `_guarded`, without its call
            run, trainer = self._run or self.run, self._trainer()
            if trainer is None and not run.started:
                run.rank = rank_of(None)
                run.muted = run.rank > 0
            if run.muted:
                return
            values = dict(metrics)
            epoch = values.pop("epoch", None)
            if step is None:
                step = self._next_step
            stage, axis = "train", "step"
            if trainer is not None and trainer.state.stage is not None:
                stage = trainer.state.stage.value
                if epoch is None and stage != "train" and of_evaluation_batch(trainer, values, step):
                    axis = "eval_batch"
            run.log(values, step=step, epoch=epoch, stage=stage, axis=axis)
            self._newest = step, values
            try:  # noqa: SIM105  # what `suppress` costs is a tenth of the call
                self._next_step = int(step) + 1
            except (TypeError, ValueError, OverflowError):  # the run has told it
                pass
        except Exception as error:
            self._failed("log_metrics", error)

    def log_row(self, values: Mapping[str, Any], stage: str, axis: str, step: int, epoch: int | None) -> None:
        """Record numbers whose place is known, as `fast_log` gives them; keeps nothing of `values`."""
        try:  # as `_guarded`, without its call
            run = self._run or self.run
            if run.muted:
                return
            if "epoch" in values:
                values = dict(values)
                epoch = values.pop("epoch")
            run.log(values, step=step, epoch=epoch, stage=stage, axis=axis)
            self._next_step = step + 1
        except Exception as error:
            self._failed("log_row", error)

    @_guarded
    def log_hyperparams(self, params: Any = None, *args: Any, **kwargs: Any) -> None:
        """Record settings; Lightning gives them anew at every entry point, which is written once."""
        del args, kwargs
        given = params if isinstance(params, Mapping) else {} if params is None else vars(params)
        self._record_new(given, "hparams" if self._configured else "config")

    def record_params(self, params: Mapping[str, Any], about: str = "config") -> None:
        """Record settings; those of a whole config go before the hyperparameters that Lightning knows of."""
        self._configured = self._configured or about == "config"
        self._record_new(params, about)

    def _record_new(self, params: Mapping[str, Any], about: str) -> None:
        """Record those settings that have not been recorded yet."""
        if self.run.muted:
            return
        known = self._params.setdefault(about, {})
        given = plain(params)
        if not isinstance(given, dict):
            raise TypeError(f"`params` must be names and values but got {given}")
        new = {name: value for name, value in given.items() if name not in known or known[name] != value}
        known.update(new)
        if self._trainer() is None:
            self._given.setdefault(about, {}).update(new)
        self.run.log_params(new, about=about)

    @_guarded
    def log_graph(self, model: Any, input_array: Any = None) -> None:
        """Lightning's hook for a model's graph: recorded once, if it was asked for and there is an input."""
        inputs = getattr(model, "example_input_array", None) if input_array is None else input_array
        if self._wants_graph and inputs is not None and self.run.shows:
            self._wants_graph = False
            self.run.log_graph("model/graph", model, inputs)

    @_guarded
    def alert(self, title: str, text: str = "", **options: Any) -> None:
        """Record something a person should know; see `Run.alert`."""
        if self.run.shows:
            self.run.alert(title, text, **options)

    def save(self) -> None:
        """Everything is on disk already; the last row of an epoch settles the checkpoints of its end."""
        if self._epoch == "closing":
            self.settle()

    @_guarded
    def finalize(self, status: str) -> None:
        """Lightning's entry point is over; what is logged later reopens the run."""
        if not (self.run.started or self.run.waiting):
            return
        if status == "finished":  # SLURM asks to go: a checkpoint comes next, and then training goes on
            self._requeue = "asked"
            self.run.sync()
            return
        self._record_models()
        if status == "success":
            self.run.end_with(Outcome("pruned", self._pruned, 0) if self._pruned else outcome_of(None))
        else:
            error = sys.exc_info()[1]
            self.run.end_with(outcome_of(error) if error else Outcome("failed", f"finalize({status!r})"))
        if self._trained or self._next_step or self.run.saved:  # else there is nothing to go on with
            farewell(self.run)

    @_guarded
    def after_save_checkpoint(self, checkpoint_callback: Any) -> None:
        """A ModelCheckpoint has saved: record where and how good."""
        trainer, best_path = self._trainer(), checkpoint_callback.best_model_path
        path = getattr(checkpoint_callback, "_last_checkpoint_saved", "") or best_path
        if trainer is None or not path:
            return
        if checkpoint_callback.save_weights_only:  # nobody was asked what to put into it
            self._mark = self.run.mark_checkpoint(
                step=logger_step(trainer),
                epoch=trainer.current_epoch,
                defer=self._values_to_come(trainer),
                alone=True,
            )
        monitor, best = checkpoint_callback.monitor or "", path == best_path
        score = checkpoint_callback.best_k_models.get(path, checkpoint_callback.current_score)
        kept = Kept(
            score=None if score is None else float(score),
            monitor=monitor,
            mode=checkpoint_callback.mode if monitor else "",
            step=logger_step(trainer),
            epoch=trainer.current_epoch,
        )
        self.run.log_checkpoint(self._mark, path, best=best, **kept._asdict())
        self._models.saved(self.run, checkpoint_callback, path, kept)

    # -- what the callback asks -----------------------------------------------------------------------------

    @_guarded
    def begin_again(self, trainer: Any) -> None:
        """A training that begins at step 0 after another one is a run of its own.

        With a version that was asked for it is the next attempt of that run, which makes the others void.
        """
        if self._trained and not logger_step(trainer):
            self._renew()

    def _renew(self) -> None:
        self._run = None
        self._params, self._loaded, self._trained, self._next_step = {}, False, False, 0
        self._models, self._described = Models(self._models.log_model), False
        run = self.run
        if self._options["id"] is not None:
            run.attempt = run.folder.attempts() + 1
        given, self._given = self._given, {}
        for about, params in given.items():
            self._record_new(params, about)

    @_guarded
    def attach(self, trainer: Any) -> None:
        """Follow this trainer: its stage, its rank, its clocks; write nothing before `start`."""
        introduce()
        self._trainer = weakref.ref(trainer)
        self.run.rank = rank_of(trainer)
        self.run.muted = self.run.rank > 0 and not self.all_ranks
        if not self.run.started:
            self.run.hold()

    @_guarded
    def mute(self) -> None:
        """Drop what is logged until `attach` is called again."""
        self.run.muted = True

    def decide(self) -> tuple[str, int]:
        """Id and number of the attempt, fixed from now on, so that other processes can join it."""
        try:
            self.run.reserve()
        except Exception as error:
            self._failed("decide", error)
        return self.run.id, self.run.attempt

    @_guarded
    def join(self, decided: tuple[str, int]) -> None:
        """Take the id and the attempt that rank 0 decided."""
        if not self.run.started:
            self.run.become(id=decided[0])
            self.run.attempt = decided[1]

    def origin_of(
        self, checkpoint: Mapping[str, Any], place: int, params: Mapping[str, Any]
    ) -> Decision | None:
        """What a loaded checkpoint means for the run: where it is from, and why it cannot go on there.

        Args:
            checkpoint: as Lightning read it.
            place: of this logger among the Trainer's ETMLoggers.
            params: the settings of module and data.
        """
        try:
            found = origins(checkpoint)[place : place + 1]
            if not found:
                return None
            known = self._params.get("config", {}) | ({} if self._configured else plain(params))
            pinned = self._options["id"] is not None
            reason = fork_reason(self.run, found[0], known, pinned=pinned)
            if self.run.started:
                self._renew()
            folder = RunFolder(self.run.folder.path.parent / found[0].run)
            attempt = self.run.reserve() if reason else folder.attempts() + 1
            return Decision(found[0], reason, self.run.id, attempt)
        except Exception as error:
            self._failed("origin_of", error)
            return None

    @_guarded
    def resume(self, trainer: Any, decided: Decision | None, checkpoint: dict[str, Any]) -> None:
        """Go on with the run that the checkpoint is from, or be a fork of it, as rank 0 decided."""
        self._loaded = True
        if decided is None:
            return
        origin, before = decided.origin, self.run.folder
        if self.run.started:  # on this rank an attempt of the same process came before
            self._renew()
        if decided.reason:
            self._loaded = False  # what the run did before, if anything, is not gone on with
            self.run.become(id=decided.id, forked_from=origin.run)
            self.run.attempt = decided.attempt
            log.info("run %s is a fork of %s: %s", self.run.id, origin.run, decided.reason)
        else:
            self.run.become(id=origin.run)
            self.run.go_on(decided.attempt, origin.attempt, origin.checkpoint)
            relocate(checkpoint, self.run.folder)
            self.run.saved = str(trainer.ckpt_path), int(checkpoint.get("global_step", 0))
        move_checkpoints(trainer.checkpoint_callbacks, before.path, self.run.folder.path)
        if not self.run.rank:
            adopt(before, self.run.folder, decided.attempt)

    @_guarded
    def start_training(self, trainer: Any) -> None:
        """Begin to write; a training that goes on from nothing makes earlier attempts void."""
        self._trained = True
        self._epoch, self._epoch_began = "open", logger_step(trainer)
        self.run.start(restart=not self._loaded)
        self._accompany(trainer)
        if self.run.shows:
            self._describe(trainer.lightning_module)

    @_guarded
    def _record_models(self) -> None:
        """Record the checkpoints that are left; whatever comes of it, the run ends afterwards."""
        self._models.ended(self.run)

    def _describe(self, module: Any) -> None:
        """Record what the model is made of, once."""
        if self._described:
            return
        self._described = True
        text, facts = summary(module)
        self.run.log_text("model/summary", text)
        self._record_new(facts, "model")

    @_guarded
    def start_evaluation(self, trainer: Any) -> None:
        """Begin to write for an evaluation: a run of its own when no training came before it here."""
        tested = "" if self.run.started else run_of(trainer.ckpt_path)
        if tested not in ("", self.run.id):
            self.run.become(evaluates=tested)
        self.run.start()
        self._accompany(trainer)

    def _accompany(self, trainer: Any) -> None:
        """Have the hardware sampled on a node above the first, which rank 0's companion does not see."""
        if not trainer.node_rank or trainer.local_rank or not (self._options["shipper"] and wanted()):
            return
        run, known = self.run, self._outpost
        if known is None or known.over or (known.folder, known.attempt) != (run.folder, run.attempt):
            self._outpost = Outpost(run.folder, run.reserve(), run.rank)
            keep(self._outpost)

    def prune(self, reason: str) -> None:
        """The training is asked to stop early, because it cannot win: it ends as `pruned`."""
        self._pruned = reason

    def lead(self) -> tuple[str, int]:
        """What ranks above 0 need to write with `all_ranks`, now that rank 0 has begun."""
        return self.run.lead()

    @_guarded
    def follow(self, led: tuple[str, int]) -> None:
        """Begin to write on a rank above 0."""
        if self.run.rank:
            self.run.follow(*led)

    @_guarded
    def begin_epoch(self, trainer: Any) -> None:
        """A training epoch begins."""
        self.settle()
        self._epoch, self._epoch_began = "open", logger_step(trainer)

    @_guarded
    def begin_batch(self) -> None:
        """The values of the batch before are logged, and so belong to the checkpoints taken at its end."""
        self.run.settle()
        self._leave()

    @_guarded
    def end_epoch(self, trainer: Any) -> None:
        """An epoch in which Lightning logged no step would leave no training loss: record its last step."""
        self._epoch = "closing"
        began, now, every = self._epoch_began, logger_step(trainer), trainer.log_every_n_steps
        if not every or now // every > began // every or now == began or trainer._results is None:
            return
        values: dict[str, Any] = dict(trainer._results.metrics(on_step=True)["log"])
        step = values.pop("step", None)
        if self._newest[0] == now - 1 and self._newest[1].keys() >= values.keys():
            return  # a training that was told to stop within the epoch has written that row
        place = {"epoch": trainer.current_epoch} if step is None else {}
        self.log_metrics(values | place, now - 1 if step is None else int(step))

    @_guarded
    def settle(self) -> None:
        """All that belongs to an epoch has been logged, and so to the checkpoints taken at its end."""
        self._epoch = ""
        self.run.settle()
        self._leave()

    def mark_checkpoint(self, trainer: Any) -> dict[str, Any] | None:
        """Tie a checkpoint that is being taken to the run.

        Returns:
            What the checkpoint is to say about the run; None if the run has not begun, as while Lightning
            looks for a learning rate.
        """
        if self.run.held:
            return None
        self._mark = ""
        try:
            self._mark = self.run.mark_checkpoint(
                step=logger_step(trainer),
                epoch=trainer.current_epoch,
                path=requeue_path(trainer) if self._requeue == "asked" else "",
                defer=self._values_to_come(trainer),
            )
            if self._requeue == "asked":
                self._requeue = "saved"
                self._leave()
        except Exception as error:
            self._failed("mark_checkpoint", error)
        return {
            "project": self._options["project"],
            "run": self.run.id,
            "attempt": self.run.attempt,
            "checkpoint": self._mark,
        }

    @_guarded
    def end_with(self, error: BaseException | None) -> None:
        """The training is over because of `error`."""
        self._record_models()
        self.run.end_with(outcome_of(error))
        if self._trained or self._next_step or self.run.saved:  # else there is nothing to go on with
            farewell(self.run)

    def _leave(self) -> None:
        """SLURM requeues the job and has its checkpoint: the attempt is over, unless more is logged."""
        if self._requeue == "saved" and not self._values_to_come(self._trainer()):
            self._requeue = ""
            self.run.end_with(Outcome("preempted", "SLURM requeues the job", signal=signal.SIGUSR1))

    def _values_to_come(self, trainer: Any) -> bool:
        """Whether values are still to come that belong to a checkpoint taken now."""
        if trainer is None or not self._epoch:
            return False
        return last_batch(trainer) or row_to_come(trainer)

    # -- ourselves ------------------------------------------------------------------------------------------

    def _show(self, method: str, *args: Any, **options: Any) -> None:
        """Call a method of the run; where it is not said, step, epoch and stage are those of the Trainer."""
        try:
            trainer = self._trainer()
            if trainer is None and not self.run.started:
                self.run.muted = rank_of(None) > 0
            where: dict[str, Any] = {}
            if trainer is not None and method != "log_artifact":
                stage = trainer.state.stage
                where = {"step": logger_step(trainer), "epoch": trainer.current_epoch}
                where |= {} if stage is None else {"stage": stage.value}
            said = {name: value for name, value in options.items() if name != "step" or value is not None}
            getattr(self.run, method)(*args, **where | said)
        except Exception as error:
            self._failed(method, error)

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
        state = self.__dict__ | {"_run": self.run, "_outpost": None}
        del state["_trainer"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._trainer = lambda: None
        introduce()


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
