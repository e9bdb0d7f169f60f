"""What a training writes to: one run, with or without Lightning."""

from __future__ import annotations

import atexit
import logging
import math
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from etm_lightning.attempts import find_writers
from etm_lightning.journal import Journal
from etm_lightning.layout import Identity, RunFolder, new_run_id, new_store, project_folder
from etm_lightning.process import Process, this_process
from etm_lightning.records import (
    Alert,
    Artifact,
    Checkpoint,
    Ended,
    Gap,
    Known,
    Media,
    Params,
    Scalars,
    Started,
    Text,
    split,
)
from etm_lightning.track.media import relative, sha256_of, store_bytes
from etm_lightning.track.outcome import Outcome, outcome_of
from etm_lightning.track.plain import plain
from etm_lightning.track.provenance import provenance

log = logging.getLogger(__name__)

_MOST_WAITING = 100_000


class Run:
    """One training of one config, written down as it happens.

    Use it as a context manager, or call `end`; a run that is left open is ended when the interpreter exits.
    Nothing is written before `start`, which the first use calls: until then records wait in memory and the
    id may still change.

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
        strict: raise on values that cannot be logged, instead of counting them.
        clock: Unix seconds.

    Raises:
        NotADirectoryError: at the start, if the store's path is a file.

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
        strict: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.identity = Identity(
            id=id or new_run_id(name),
            project=project,
            created=clock(),
            name=name,
            group=group,
            tags=tuple(tags),
            notes=notes,
            question=question,
            method=method,
            evaluates=evaluates,
        )
        self.strict = strict
        self.rejected = 0
        self.attempt = 0
        self._save_dir, self._clock = save_dir, clock
        self._journal: Journal | None = None
        self._waiting: list[Known] = []
        self._held = False
        self._end: Ended | None = None
        self._marks = 0
        self._lost, self._lost_since = 0, 0.0
        self._pid = os.getpid()
        if params:
            self.log_params(params)

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
        """Whether anything is on disk."""
        return self._journal is not None

    @property
    def waiting(self) -> int:
        """How many records wait in memory for the start."""
        return len(self._waiting)

    def become(self, **fields: Any) -> None:
        """Change the identity of a run that has not started.

        Raises:
            RuntimeError: if it has started.
        """
        if self.started:
            raise RuntimeError(f"run {self.id} has started: its identity cannot change")
        self.identity = msgspec.structs.replace(self.identity, **fields)

    def start(
        self,
        *,
        parent: int | None = None,
        checkpoint: str | None = None,
        attempt: int | None = None,
        restart: bool = False,
    ) -> None:
        """Write down who the run is, durably, and all that waited; does nothing the second time.

        Args:
            parent: the attempt this one goes on from; by default the last before it.
            checkpoint: the checkpoint of `parent` it goes on from; without one, all of `parent` counts.
            attempt: number of this attempt; by default the run's next, or the present one when this process
                already wrote for the run.
            restart: go on from nothing: what earlier attempts recorded is superseded.
        """
        if self.started:
            return
        new_store(self._save_dir)
        self.folder.create(self.identity)
        latest = self.folder.attempts()
        self.attempt = attempt or self.own_attempt() or latest + 1
        self._journal = Journal(self.folder.journal, run=self.id, attempt=self.attempt, clock=self._clock)
        waiting, self._waiting = self._waiting, []
        if self.attempt > latest:
            parent = None if restart else parent or latest or None
            self._append(
                Started(
                    time=self._clock(),
                    attempt=self.attempt,
                    parent=parent,
                    checkpoint=checkpoint,
                    info=provenance(),
                )
            )
        for record in waiting:
            self._append(record)
        self.sync()
        _open_runs.add(self)

    def own_attempt(self) -> int:
        """The attempt that this very process already wrote for, 0 if none."""
        me = this_process()
        return max(
            (
                writer.header.attempt
                for writer in find_writers(self.folder.journal)
                for header in [writer.header]
                if Process(header.host, header.boot, header.pid, header.born) == me
            ),
            default=0,
        )

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
        numbers: dict[str, float] = {}
        wrong: dict[str, str] = {}
        for name, value in values.items():
            try:
                numbers[str(name)] = value if type(value) is float else _number(value)
            except (TypeError, ValueError, RuntimeError, OverflowError) as error:
                wrong[str(name)] = str(error)
        finite, nonfinite = split(numbers)
        if finite or nonfinite:
            self._record(
                Scalars(
                    time=self._clock(),
                    step=int(step),
                    axis=axis,
                    epoch=epoch,
                    stage=stage,
                    values=finite,
                    nonfinite=nonfinite,
                )
            )
        if wrong:
            self._reject("; ".join(f"`values[{name!r}]` {text}" for name, text in wrong.items()))

    def log_params(self, params: Mapping[str, Any], *, about: str = "config") -> None:
        """Record settings; any object is taken, and shown as well as JSON can.

        Args:
            params: names and values, nested as you like.
            about: ``config`` for settings that make the experiment, else what they tell of, such as ``data``.
        """
        self._record(Params(time=self._clock(), params=plain(params), about=about))

    def log_text(self, name: str, text: str, *, step: int | None = None, stage: str = "train") -> None:
        """Record a text under a name."""
        self._record(Text(time=self._clock(), name=name, text=text, step=step, stage=stage))

    def log_table(
        self,
        name: str,
        columns: Sequence[str],
        rows: Sequence[Sequence[Any]],
        *,
        step: int | None = None,
        stage: str = "train",
    ) -> None:
        """Record a table: names of columns, and rows of plain values."""
        content = {"columns": list(columns), "rows": [plain(list(row)) for row in rows]}
        self._media(name, "table", content, step, stage)

    def log_confusion_matrix(
        self,
        name: str,
        labels: Sequence[str],
        counts: Sequence[Sequence[int]],
        *,
        step: int | None = None,
        stage: str = "validate",
    ) -> None:
        """Record how often each class was taken for each.

        Args:
            name: such as ``val/confusion_matrix``.
            labels: the classes, in the order of `counts`.
            counts: of shape (classes, classes): true class by row, predicted class by column.
            step: optimizer batches so far.
            stage: what was evaluated.
        """
        content = {"labels": list(labels), "counts": [[int(count) for count in row] for row in counts]}
        self._media(name, "confusion_matrix", content, step, stage)

    def log_artifact(
        self, path: str | Path, *, name: str = "", type: str = "file", aliases: Sequence[str] = ()
    ) -> None:
        """Record that a file belongs to the run; it stays where it lies.

        Raises:
            FileNotFoundError: if there is no such file.
        """
        path = Path(path)
        self._record(
            Artifact(
                time=self._clock(),
                name=name or path.name,
                type=type,
                path=relative(self.folder, path),
                sha256=sha256_of(path),
                size=path.stat().st_size,
                aliases=tuple(aliases),
            )
        )

    def _media(self, name: str, type: str, content: Any, step: int | None, stage: str) -> None:
        stored = store_bytes(self.folder, msgspec.json.encode(content), "json")
        self._record(
            Media(
                time=self._clock(),
                name=name,
                type=type,
                file=stored.file,
                sha256=stored.sha256,
                size=stored.size,
                step=step,
                stage=stage,
            )
        )

    def mark_checkpoint(self, *, step: int, epoch: int | None = None) -> str:
        """Record that a checkpoint is being taken now; what is logged later is not in it.

        Returns:
            The checkpoint's id.
        """
        self.start()
        self._marks += 1
        id = f"{self.attempt}-{self._journal.writer[-4:] if self._journal else ''}-{self._marks}"
        self._record(Checkpoint(time=self._clock(), id=id, step=step, epoch=epoch))
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
        if score is not None and not math.isfinite(score):
            score = None
        self._record(
            Checkpoint(
                time=self._clock(),
                id=id,
                step=step,
                epoch=epoch,
                path=relative(self.folder, Path(path)),
                monitor=monitor,
                mode=mode,
                score=score,
                best=best,
            )
        )

    def alert(self, title: str, text: str = "", *, level: str = "warning") -> None:
        """Record something a person should know."""
        self._record(Alert(time=self._clock(), title=title, text=text, level=level))

    # -- the end --------------------------------------------------------------------------------------------

    def end(self, status: str = "finished", reason: str = "") -> None:
        """The attempt is over; what is logged later reopens it.

        Args:
            status: ``finished``, ``failed``, ``interrupted``, ``preempted`` or ``pruned``.
            reason: one line.
        """
        self.end_with(Outcome(status, reason))  # type: ignore[arg-type]  # a wrong word is refused by readers

    def end_with(self, outcome: Outcome) -> None:
        """The attempt is over, in the way that `outcome` tells; a second end in a row adds nothing."""
        if self._end is not None:
            return
        self.start()
        ended = Ended(
            time=self._clock(),
            status=outcome.status,
            reason=outcome.reason,
            exit_code=outcome.exit_code,
            signal=outcome.signal,
            traceback=outcome.traceback,
        )
        self._record(ended)
        self._end = ended
        _open_runs.discard(self)
        self.sync()

    def sync(self) -> None:
        """Ask the disk to keep through a power cut what was recorded."""
        if self._journal is not None:
            try:
                self._journal.sync()
            except OSError as error:
                log.warning("run %s: the disk refused to sync: %s", self.id, error)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end_with(outcome_of(error))

    # -- writing --------------------------------------------------------------------------------------------

    def hold(self) -> None:
        """Let records wait in memory until `start` is called."""
        self._held = True

    def _record(self, record: Known) -> None:
        if self._end is not None:  # reopened
            self._end = None
            _open_runs.add(self)
        if self.started:
            self._append(record)
            return
        if len(self._waiting) == _MOST_WAITING:
            self._miss(OSError("the store cannot be written"))
            del self._waiting[0]
        self._waiting.append(record)
        if not self._held:
            self.start()

    def _append(self, record: Known) -> None:
        assert self._journal is not None
        try:
            if self._lost:
                lost, self._lost = self._lost, 0
                gap = Gap(time=self._clock(), lost=lost, since=self._lost_since, reason="the disk failed")
                try:
                    self._journal.append(gap)
                except OSError:
                    self._lost = lost
                    raise
            self._journal.append(record)
        except OSError as error:
            self._miss(error)
        except (TypeError, ValueError) as error:
            self._reject(str(error))

    def _miss(self, error: OSError) -> None:
        if not self._lost:
            self._lost_since = self._clock()
            log.warning("run %s: records are being lost: %s", self.id, error)
        self._lost += 1

    def _reject(self, text: str) -> None:
        self.rejected += 1
        if self.strict:
            raise TypeError(text)
        if self.rejected == 1:
            self.alert("a value could not be logged", plain(text))
            log.warning("run %s: a value could not be logged: %s", self.id, text)


def _number(value: Any) -> float:
    """The number that `value` is.

    Raises:
        TypeError: if it is not one real number.
    """
    if isinstance(value, str | bytes | complex):
        raise TypeError(f"must be a number but got {value!r}")
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"must be one number but got {plain(value)!r}") from None


_open_runs: set[Run] = set()


@atexit.register
def _end_open_runs() -> None:
    """The interpreter exits: a run that nobody ended ended as the interpreter does."""
    for run in list(_open_runs):
        if run._pid == os.getpid():
            run.end_with(outcome_of(getattr(sys, "last_value", None)))
