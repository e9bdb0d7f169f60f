"""What a training writes to: one run, with or without Lightning."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, get_args

import msgspec

from etm_lightning.attempts import find_writers
from etm_lightning.headline import Headline, as_json, follow_headline
from etm_lightning.journal import Journal
from etm_lightning.layout import Identity, RunFolder, new_run_id, new_store, project_folder
from etm_lightning.process import Process, this_process
from etm_lightning.records import (
    Alert,
    Checkpoint,
    Ended,
    Params,
    Saved,
    Scalars,
    Started,
    Text,
)
from etm_lightning.track.code import Code, code
from etm_lightning.track.media.exhibit import Parcel, relative
from etm_lightning.track.media.exhibits import Exhibits
from etm_lightning.track.outbox import Item, Outbox
from etm_lightning.track.outcome import Outcome, outcome_of
from etm_lightning.track.plain import number, plain, sound
from etm_lightning.track.provenance import provenance
from etm_lightning.track.redact import redact
from etm_lightning.track.shipping.alerts import VARIABLE, WEBHOOK, limits, webhook_address
from etm_lightning.track.shipping.companion import Companion, wanted
from etm_lightning.track.shipping.configured import ABOUT, configured
from etm_lightning.track.shipping.keeper import keep
from etm_lightning.track.sinks.sink import specifications

log = logging.getLogger(__name__)

UNSYNCED_BYTES = 64 << 20
_SHARD = Scalars | Checkpoint | Ended
"""What a rank above 0 records."""

End = Literal["finished", "failed", "interrupted", "preempted", "pruned"]


class Run(Exhibits):
    """One training of one config, written down as it happens.

    Use it as a context manager, or call `end`; a run that is left open is ended when the interpreter exits.
    Nothing is written before `start`, which the first use calls: until then the id may still change.

    Args:
        project: name of the project.
        save_dir: the store; by default `ETM_STORE`, else `./etm_runs`.
        id: the id of a run to go on with; by default a new one.
        name: a readable name; goes into a new id.
        group: the multirun or study that the run belongs to.
        tags: words to find the run by.
        notes: free text.
        question: what the experiment is to answer.
        method: how.
        params: settings to record at the start.
        evaluates: id of the run that this one tests.
        sinks: where else the records go: ``tensorboard``, ``wandb``, ``mlflow``, or mappings with ``sink``
            and that sink's options.
        shipper: whether a companion process delivers to the sinks and samples the hardware.
        finish_timeout: seconds to wait for the sinks when the process ends; by default 5, or 60 where what is
            left behind would be killed.
        alerts: limits of what the companion alerts to, by name (`track.shipping.alerts.Limits`);
            False for none, by default as the variable ``ETM_ALERTS`` says.
        webhook: address that takes alerts as Slack does; by default the variable ``ETM_WEBHOOK``. It is a
            secret and is not recorded.
        save_code: record the diff of tracked files from their commit as text ``code.diff``, without secrets.
        strict: raise on what cannot be logged, instead of counting it.
        clock: Unix seconds.

    Attributes:
        attempt: number of the attempt; 0 while it is not decided.
        rejected: how many calls gave something that could not be logged.
        muted: drop what is logged: on ranks other than 0, and in a sanity check.
        rank: a rank above 0 writes values only, into a file of its own, once it follows rank 0.
        saved: path and step of the newest checkpoint that this process knows of; None if there is none.

    Raises:
        ValueError: if the id or the project cannot name a folder, or `alerts` or `webhook` cannot be used.
        OSError: at the start, if the store cannot be written.

    >>> import tempfile
    >>> with Run("demo", save_dir=tempfile.mkdtemp(), params={"lr": 0.1}) as run:
    ...     run.log({"train/loss": 0.5}, step=0)
    >>> (run.folder.path / "run.json").exists()
    True
    """

    def __init__(
        self,
        project: str = "default",
        *,
        save_dir: str | Path | None = None,
        id: str | None = None,
        name: str = "",
        group: str = "",
        tags: Sequence[str] = (),
        notes: str = "",
        question: str = "",
        method: str = "",
        params: Mapping[str, Any] | None = None,
        evaluates: str = "",
        sinks: list[str | dict[str, Any]] | dict[str, Any] | None = None,
        shipper: bool = True,
        finish_timeout: float | None = None,
        alerts: bool | Mapping[str, float] | None = None,
        webhook: str | None = None,
        save_code: bool = False,
        strict: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        project_folder(Path(), project)
        self.identity = Identity(
            id=new_run_id(redact(name)) if id is None else _checked_id(id),
            project=project,
            created=clock(),
            name=redact(name),
            group=redact(group),
            tags=tuple(redact(str(tag)) for tag in tags),
            notes=redact(notes),
            question=redact(question),
            method=redact(method),
            evaluates=evaluates,
        )
        self.sinks = specifications(sinks)
        self._environment = {VARIABLE: limits(alerts).text()}
        if webhook or os.environ.get(WEBHOOK):
            self._environment[WEBHOOK] = webhook_address(webhook)
            self.sinks.setdefault("webhook", {"sink": "webhook"})
        self.save_code = save_code
        self.strict = strict
        self.rejected = 0
        self.attempt = 0
        self.muted = False
        self.rank = 0
        self.saved: tuple[str, int] | None = None
        self._save_dir, self._clock = save_dir, clock
        self._outbox = Outbox(clock)
        self._hold: Literal["", "values", "start"] = "start"
        self._origin: tuple[int, str] | None = None
        self._restart = False
        self._starting = False
        self._end: Ended | None = None
        self._token, self._marks, self._apart = "", 0, 0
        self._deferred: list[Checkpoint] = []
        self._pid = os.getpid()
        self._headline = Headline()
        self._shipper, self._finish_timeout = shipper and wanted(), finish_timeout
        self._companion: Companion | None = None
        if params:
            self.log_params(params)
        if self.sinks:
            self.log_params(self.sinks, about=ABOUT)
        self._hold = ""

    # -- identity -------------------------------------------------------------------------------------------

    @property
    def id(self) -> str:
        return self.identity.id

    @property
    def store(self) -> Path:
        """The store's folder, which `start` makes."""
        return Path(self._save_dir or os.environ.get("ETM_STORE") or "etm_runs").expanduser().absolute()

    @property
    def folder(self) -> RunFolder:
        return RunFolder(project_folder(self.store, self.identity.project) / self.id)

    @property
    def started(self) -> bool:
        """Whether this process writes for the run."""
        return self._outbox.opened

    @property
    def shows(self) -> bool:
        """Whether this process records more than values."""
        return not self.muted and not self.rank

    @property
    def outcome(self) -> Ended | None:
        """How it ended; None while it is open."""
        return self._end

    @property
    def held(self) -> bool:
        """Whether all records wait in memory until `start` is called."""
        return self._hold == "start" and not self.started

    @property
    def waiting(self) -> int:
        """How many records wait in memory for the start."""
        return len(self._outbox.waiting)

    @property
    def lost(self) -> int:
        """How many records could not be kept, in memory or on disk."""
        return self._outbox.lost

    @property
    def degraded(self) -> bool:
        """Whether records wait in memory, because the disk is slow or fails."""
        return self._outbox.degraded

    def become(self, **fields: Any) -> None:
        """Change the identity of a run that has not started.

        Raises:
            RuntimeError: if it has started.
        """
        if self.started:
            raise RuntimeError(f"run {self.id} has started: its identity cannot change")
        if fields.get("id", self.id) != self.id:
            self.attempt = 0
        self.identity = msgspec.structs.replace(self.identity, **fields)

    def reserve(self) -> int:
        """The number of the attempt, fixed from now on, so that other processes can join it.

        A process that already wrote for the run goes on with the attempt it wrote for.
        """
        self.attempt = self.attempt or self._own_attempt() or self.folder.attempts() + 1
        return self.attempt

    def go_on(self, attempt: int, parent: int, checkpoint: str) -> None:
        """Be attempt number `attempt` of the run, from a checkpoint of attempt `parent`."""
        self.attempt = attempt
        self._origin = (parent, checkpoint)

    def lead(self) -> tuple[str, int]:
        """What the other ranks need to give checkpoints the ids that this one gives; ("", 0) if not begun."""
        return self._outbox.writer[-4:], self._marks

    def follow(self, token: str, marks: int) -> None:
        """Begin to write on a rank above 0, once rank 0 has begun and gave this."""
        self._token, self._marks = token, marks
        if token:
            self.start()

    def hold(self, until: Literal["values", "start"] = "start") -> None:
        """Let records wait in memory until `start` is called, or until there are values among them."""
        self._hold = until

    def start(self, *, restart: bool = False) -> None:
        """Write down who the run is, durably, and all that waited; does nothing the second time.

        Args:
            restart: go on from nothing: what earlier attempts recorded is superseded.

        Raises:
            OSError: if the store cannot be written; what waits goes on waiting, and the next use tries again.
        """
        if self.started or self.muted or self._starting or (self.rank and not self._token):
            return
        self._hold = ""
        self._restart = self._restart or restart
        self._starting = True
        try:
            latest = self.folder.attempts()
            if not self.rank:
                new_store(self._save_dir)
                self.folder.create(self.identity)
            journal = Journal(
                self.folder.journal,
                run=self.id,
                attempt=self.reserve(),
                rank=self.rank,
                clock=self._clock,
                keep_bytes=UNSYNCED_BYTES,
                latest=self._headline.latest,
            )
            begins = self.attempt > latest and not self.rank
            now = code() if begins else Code({})
            self._outbox.open(journal, self.folder, self._first(latest, now) if begins else None)
        finally:
            self._starting = False
        self._pid = os.getpid()
        if latest:
            self.sinks = {**configured(self.folder), **self.sinks}
            self._headline = follow_headline(self.folder.journal)
            journal.latest = self._headline.latest
            for item in self._outbox.waiting:
                self._follow(item)
        if self._shipper and not self.rank:
            self._companion = Companion(
                self.folder,
                self.attempt,
                list(self.sinks),
                self._finish_timeout,
                environment=self._environment,
            )
        keep(self)
        if self.save_code and now.diff:
            self._put(Text(time=self._clock(), name="code.diff", text=now.diff))
        while self._outbox.waiting:
            self._put(self._brought(self._outbox.waiting.popleft()))
        self._keep()

    def _brought(self, item: Item) -> Item:
        """What waited, with the copy that it wants made now: after the start its file may change."""
        try:
            return item.copied(self.folder) if isinstance(item, Parcel) else item
        except OSError:  # the thread tries again, and tells if it fails too
            return item

    def _first(self, latest: int, now: Code) -> Started:
        """The record that an attempt begins with, after attempt `latest`."""
        parent, checkpoint = self._origin or (None if self._restart else latest or None, None)
        return Started(
            time=self._clock(),
            attempt=self.attempt,
            parent=parent,
            checkpoint=checkpoint,
            info=provenance(now),
        )

    def _own_attempt(self) -> int:
        """The attempt that this very process already wrote for, 0 if none."""
        me = this_process()
        headers = (writer.header for writer in find_writers(self.folder.journal))
        return max((h.attempt for h in headers if Process(h.host, h.boot, h.pid, h.born) == me), default=0)

    # -- logging --------------------------------------------------------------------------------------------

    def log(
        self,
        values: Mapping[str, Any],
        *,
        step: int,
        epoch: int | None = None,
        stage: str = "train",
        axis: str = "step",
    ) -> None:
        """Record numbers measured together.

        Args:
            values: numbers by name: Python's, numpy's or torch's with one element; NaN and infinities too.
            step: optimizer batches so far; batches of the evaluation for axis ``eval_batch``.
            epoch: epoch, from 0.
            stage: ``train``, ``validate``, ``test`` or ``predict``.
            axis: ``step`` or ``eval_batch``.

        Raises:
            TypeError: with `strict`, for a value that is not one number; the others are recorded.
        """
        spool = self._outbox.spool
        # does nothing stand between them and the journal?
        if (
            spool is not None
            and self._end is None
            and not self.muted
            and not self._outbox.failed
            and spool.write_row(self._clock(), step, axis, epoch, stage, values)
        ):
            return
        self._log(values, step, epoch, stage, axis)

    def _log(self, values: Mapping[str, Any], step: Any, epoch: Any, stage: str, axis: str) -> None:
        """`log` for whatever may come."""
        numbers, wrong = _numbers(values)
        try:
            step, epoch = int(step), None if epoch is None else int(epoch)
        except (TypeError, ValueError, OverflowError):
            where = f"{plain(step)!r}, {plain(epoch)!r}"
            wrong, numbers = f"`step`, `epoch` must be whole numbers but got {where}", {}
        if numbers:
            self._record(Scalars.of(self._clock(), step, axis, epoch, stage, numbers))
        if wrong:
            self._reject(wrong)

    def log_params(self, params: Mapping[str, Any], *, about: str = "config") -> None:
        """Record settings; any object is taken, and shown as well as JSON can.

        Args:
            params: names and values, nested as you like.
            about: ``config`` for settings that make the experiment, else what they tell of, such as ``data``.
        """
        known = plain(params)
        if not isinstance(known, dict):
            self._reject(f"`params` must be names and values but got {known!r}")
        elif known:
            self._record(Params(time=self._clock(), params=known, about=about))

    def mark_checkpoint(
        self,
        *,
        step: int,
        epoch: int | None = None,
        path: str | Path = "",
        defer: bool = False,
        alone: bool = False,
    ) -> str:
        """Record that a checkpoint is being taken now; what is logged later is not in it.

        Args:
            step: optimizer batches so far.
            epoch: epoch, from 0.
            path: where it will lie, if that is known.
            defer: what is logged before `settle` still belongs to the checkpoint.
            alone: the other ranks are not asked for this checkpoint.

        Returns:
            The checkpoint's id; "" if the run is muted.
        """
        self.start()
        if self.muted or (self.rank and not self.started):
            return ""
        if alone:
            self._apart += 1
        else:
            self._marks += 1
        number = f"w{self._apart}" if alone else self._marks
        id = f"{self.attempt}-{self._token or self._outbox.writer[-4:]}-{number}"
        place = relative(self.folder, Path(path)) if path else ""
        mark = Checkpoint(time=self._clock(), id=id, step=step, epoch=epoch, path=place)
        if path:
            self.saved = str(path), step
        if defer:
            self._deferred.append(mark)
        else:
            self._record(mark)
        return id

    def log_checkpoint(
        self,
        id: str,
        path: str | Path,
        *,
        step: int,
        epoch: int | None = None,
        monitor: str = "",
        mode: str = "",
        score: float | None = None,
        best: bool = False,
    ) -> None:
        """Record where the checkpoint marked as `id` lies and how good it is."""
        self.saved = str(path), step
        kind = Saved if any(mark.id == id for mark in self._deferred) else Checkpoint
        self._record(
            kind(
                time=self._clock(),
                id=id,
                step=step,
                epoch=epoch,
                path=relative(self.folder, Path(path)),
                monitor=monitor,
                mode=mode,
                score=score if score is not None and isfinite(score) else None,
                best=best,
            )
        )

    def settle(self) -> None:
        """Record the marks of the checkpoints that were deferred."""
        while self._deferred:
            self._record(self._deferred.pop(0))

    def alert(
        self, title: str, text: str = "", *, level: str = "warning", name: str = "", step: int | None = None
    ) -> None:
        """Record something a person should know.

        Args:
            title: a few words.
            text: more about it.
            level: ``info``, ``warning`` or ``error``.
            name: of what tells it, the same each time.
            step: optimizer batches so far.
        """
        title, text = redact(sound(title)), redact(sound(text))
        self._record(Alert(time=self._clock(), title=title, text=text, level=level, name=name, step=step))

    # -- the end --------------------------------------------------------------------------------------------

    def end(self, status: End = "finished", reason: str = "") -> None:
        """The attempt is over; what is logged later reopens it.

        Args:
            status: ``finished``, ``failed``, ``interrupted``, ``preempted`` or ``pruned``.
            reason: one line.

        Raises:
            ValueError: if `status` is none of these.
        """
        if status not in get_args(End):
            raise ValueError(f"`status` must be one of {', '.join(get_args(End))} but got {status!r}")
        self.end_with(Outcome(status, redact(sound(reason))))

    def end_with(self, outcome: Outcome) -> None:
        """The attempt is over, in the way that `outcome` tells.

        A second end in a row adds nothing, unless it tells of a failure after a good end.
        """
        if self.muted or (self.rank and not self.started):
            return
        if self._end is not None and (self._end.status != "finished" or outcome.status == "finished"):
            return
        self.start()
        self.settle()
        self._flush()  # what comes after the end would reopen the run
        self._outbox.tell_latest()
        ended = Ended(
            time=self._clock(),
            status=outcome.status,
            reason=outcome.reason,
            exit_code=outcome.exit_code,
            signal=outcome.signal,
            traceback=outcome.traceback,
            summary=as_json(self._headline.values()),
            stages=self._headline.stages(),
        )
        self._record(ended)
        self._end = ended
        self.sync()

    def sync(self) -> None:
        """Wait for media that are being made; ask the disk to keep through a power cut what was recorded."""
        self._flush()
        left = self._outbox.settle()
        if left:
            log.warning("run %s: the disk does not take %d records, they are in memory only", self.id, left)
        self._keep()

    def _keep(self) -> None:
        try:
            self._outbox.sync()
        except OSError as error:
            log.warning("run %s: the disk refused to sync: %s", self.id, error)

    def look_after(self) -> bool:
        """Once a second, from the keeper's thread: sync, and tend the shipper."""
        if self.started:
            self._keep()
        companion, ended = self._companion, self._end is not None
        return (companion is not None and companion.tick(ended=ended)) or not ended

    def end_at_exit(self, error: BaseException | None) -> None:
        """A run that nobody ended ends as the interpreter does."""
        if self._pid != os.getpid():
            return
        if self._end is None and (self.started or self.folder.attempts() < self.reserve()):
            self.end_with(outcome_of(error))
        if self._companion is not None:
            self._companion.ask_to_finish()

    def finish(self) -> list[str]:
        """Wait for the sinks, for a bounded time: what to tell of those that are behind."""
        if self._companion is None or self._pid != os.getpid():
            return []
        return self._companion.finish()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end_with(outcome_of(error))

    def __getstate__(self) -> dict[str, Any]:
        """Identity and what waits, not handles: another process that gets this run joins its attempt."""
        self.reserve()
        return self.__dict__ | {"_end": None, "_starting": False, "_deferred": [], "_companion": None}

    # -- writing --------------------------------------------------------------------------------------------

    def _record(self, item: Item) -> None:
        if self.muted or (self.rank and not isinstance(item, _SHARD)):
            return
        if self._outbox.failed:
            self._tell()
        if self._end is not None:  # reopened
            self._end = None
            keep(self)
        self._follow(item)
        self._put(item)
        if not self.started:
            keep(self)
            if not self._hold or (self._hold == "values" and isinstance(item, Scalars)):
                self.start()

    def _follow(self, item: Item) -> None:
        if isinstance(item, (Scalars, Checkpoint)):  # four times as fast as a union
            self._outbox.tell_latest()
            self._headline.take(item)

    def _put(self, item: Item) -> None:
        try:
            self._outbox.put(item)
        except (TypeError, ValueError, OverflowError) as error:
            self._reject(str(error))

    def _flush(self) -> None:
        """Wait for what the thread is at."""
        self._outbox.flush()
        self._tell()

    def _tell(self) -> None:
        """Count and show what went wrong in the thread."""
        for text in self._outbox.failures():
            self._count(text)

    def _reject(self, text: str) -> None:
        if self.strict:
            self.rejected += 1
            raise TypeError(text)
        self._count(text)

    def _count(self, text: str) -> None:
        self.rejected += 1
        if self.rejected == 1:
            self.alert("a value could not be logged", plain(text))
            log.warning("run %s: a value could not be logged: %s", self.id, text)


def _numbers(values: Mapping[str, Any]) -> tuple[dict[str, float], str]:
    """The values that are numbers, by names that are texts, and what is wrong with the others."""
    numbers: dict[str, float] = {}
    wrong: list[str] = []
    for name, value in values.items():
        try:
            numbers[str(name)] = value if type(value) is float else number(value)
        except TypeError as error:
            wrong.append(f"`values[{name!r}]` {error}")
    return numbers, "; ".join(wrong)


def _checked_id(id: str) -> str:
    """An id that is the name of a folder."""
    id = str(id)
    if not id or "/" in id or "\0" in id or id.startswith("."):
        raise ValueError(f"`version` must be the name of a run's folder but got {id!r}")
    return id
