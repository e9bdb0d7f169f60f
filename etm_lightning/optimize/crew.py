"""The processes of a study: each run of a trial is one, in a slot, followed until it has ended."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from etm_lightning.design.chances import Chance
from etm_lightning.design.space import Space
from etm_lightning.execute import launchers
from etm_lightning.execute.launching import Errand, Job, Launcher, Slot
from etm_lightning.execute.lock import Lock
from etm_lightning.execute.remote import Traces
from etm_lightning.layout import RunFolder
from etm_lightning.optimize.folder import Events, StudyFolder
from etm_lightning.optimize.freeze import Freezer, Frozen
from etm_lightning.optimize.history import Placed, Queued, Replicate, Started, Trial
from etm_lightning.optimize.stopping import Stopping
from etm_lightning.optimize.watch import Watch, result
from etm_lightning.track.trial import TRIAL

LINGER = 60.0
"""Seconds that a process may go on after its result is known."""


@dataclass(frozen=True)
class Task:
    """One run that is to be: of which trial, the how-manieth of it, and with which seed and fold.

    `fresh` marks one that confirms a trial which is over.
    """

    number: int
    index: int = 0
    chance: Chance = field(default_factory=Chance)
    fresh: bool = False


@dataclass
class Busy:
    """A run at work, and where."""

    trial: Trial
    task: Task
    job: Job
    slot: Slot
    watch: Watch
    reported: int = 0
    late: str = ""
    done: float = 0.0
    unwanted: bool = False

    @property
    def replicate(self) -> Replicate:
        return self.trial.replicates[self.task.index]

    def give_up(self) -> None:
        """Ask it to end: what it would find out is decided. One that keeps no journal is ended."""
        self.unwanted = True
        self.watch.poll()
        if self.watch.run is not None:
            self.watch.prune()
        else:
            self.job.stop()


@dataclass
class Crew:
    """Starts processes, takes up those of an earlier controller, and tells which ended.

    Args:
        folder: of the study.
        events: where it is written down.
        space: what is tried.
        freezer: which makes a process's config of a point.
        launcher: which starts them.
        monitor: the metric to follow.
        run_timeout: seconds after which a run is ended; None for no end.
    """

    folder: StudyFolder
    events: Events
    space: Space
    freezer: Freezer
    launcher: Launcher
    monitor: str
    run_timeout: float | None = None
    busy: list[Busy] = field(default_factory=list)
    _ready: tuple[Task, Frozen] | None = None

    @property
    def full(self) -> bool:
        return len(self.busy) >= len(self.launcher.slots)

    def of(self, number: int) -> list[Busy]:
        """What is at work for a trial."""
        return [one for one in self.busy if one.trial.number == number]

    def place(self, task: Task) -> Path:
        """The folder with what belongs to a run: its config, logs and results."""
        return self.folder.place(task.number, task.chance.name)

    def prepare(self, task: Task, point: dict[str, Any]) -> Path:
        """Compose the config of a trial's first run; where its output goes.

        Raises:
            hydra.errors.HydraException: if it does not compose.
        """
        frozen = self._freeze(task, point)
        self._ready = (task, frozen)
        return frozen.output

    def adopt(self, task: Task) -> Busy | None:
        """The run's process if one lives or left a result; None if it is to be started."""
        trial = self.events.history.trials[task.number]
        known = trial.replicates.get(task.index)
        if known is None or known.state not in ("queued", "running"):
            return None
        place = self.place(task)
        job = launchers.left_behind(known.job, known.process, place, known.attempts)
        busy = Busy(trial, task, job, Slot(known.devices or None), Watch(place, self.monitor))
        if job.ended() is not None and result(place) is None:
            return None
        self.busy.append(busy)
        return busy

    def start(self, task: Task) -> Busy:
        """Start the process of a run, or find the one that a killed controller had just started."""
        trial, place = self.events.history.trials[task.number], self.place(task)
        known = trial.replicates.get(task.index)
        attempt = known.attempts + 1 if known else 1
        begun, lock = Traces(place, attempt).begun(), Lock.take(place / "lock")
        if begun or not lock or result(place) is not None:
            # a process that nobody saw start: its controller was killed that very moment
            if lock:
                lock.release()
            process = known.process if known else None
            job = launchers.left_behind(begun.job if begun else "", process, place, attempt)
            if known and not begun and not (place / f"{attempt}.log").exists():
                # what is left of the attempt before holds the lock: nothing new began
                self.busy.append(Busy(trial, task, job, Slot(), Watch(place, self.monitor)))
                return self.busy[-1]
            return self._take(trial, task, attempt, job, Slot((known.devices if known else "") or None))
        try:
            slot = self._free_slot()
            job = self.launcher.start(self._errand(trial, task, attempt), slot, lock.descriptor)
        finally:
            lock.release()
        return self._take(trial, task, attempt, job, slot)

    def _errand(self, trial: Trial, task: Task, attempt: int) -> Errand:
        """What to start, written down as far as it is to be known when the controller dies."""
        place = self.place(task)
        watch = Watch(place, self.monitor)
        watch.poll()
        watch.forget_prune()
        frozen = self._frozen(trial, task, watch.run)
        self._placed(trial, task, frozen)
        (place / "result.json").unlink(missing_ok=True)
        env = {**frozen.env, TRIAL: str(place), "ETM_SHIPPER": "0"}
        return Errand(frozen.command, Path.cwd(), env, place, attempt)

    def _take(self, trial: Trial, task: Task, attempt: int, job: Job, slot: Slot) -> Busy:
        """Write down where an attempt is, and follow it."""
        trial.replicates.setdefault(task.index, Replicate(task.index, trial.output))
        busy = Busy(trial, task, job, slot, Watch(self.place(task), self.monitor))
        self.busy.append(busy)
        if job.handle:
            self.events.write(Queued(time.time(), task.number, attempt, job.handle, task.index))
        else:
            self._note_start(busy, attempt)
        return busy

    def _note_start(self, busy: Busy, attempt: int) -> None:
        """Write down which process an attempt is, once it has one."""
        process = busy.job.process()
        if process is not None:
            where = (process.host, process.boot, process.pid, process.born, busy.slot.devices or "")
            self.events.write(
                Started(time.time(), busy.trial.number, attempt, *where, busy.job.handle, busy.task.index)
            )

    def _placed(self, trial: Trial, task: Task, frozen: Frozen) -> None:
        """Where one of several runs goes, before it begins."""
        if task.index not in trial.replicates and task.chance.name:
            where = (task.chance.name, str(frozen.output), task.fresh)
            self.events.write(Placed(time.time(), task.number, task.index, *where))

    def _frozen(self, trial: Trial, task: Task, run: RunFolder | None) -> Frozen:
        """The config of a run; one that was at work before goes on with its run in the store."""
        ready, self._ready = self._ready, None
        if ready is not None and ready[0] == task:
            return ready[1]
        extra: dict[str, Any] = {}
        if run is not None and run.identity_file.exists():
            from etm_lightning.execute.resume import going_on

            extra = dict(going_on(run))
        known = trial.replicates.get(task.index)
        output = known.output if known else None if task.index else trial.output
        return self._freeze(task, trial.params, output, extra)

    def _freeze(
        self,
        task: Task,
        point: dict[str, Any],
        output: Path | None = None,
        extra: dict[str, Any] | None = None,
    ) -> Frozen:
        overrides = [*self.space.overrides(point), *task.chance.overrides()]
        return self.freezer.freeze(task.number, overrides, self.place(task), output, extra)

    def _free_slot(self) -> Slot:
        used = [busy.slot for busy in self.busy]
        for slot in self.launcher.slots:
            if slot not in used:
                return slot
            used.remove(slot)
        return self.launcher.slots[0]

    def ended(self) -> Iterator[tuple[Busy, str]]:
        """Those whose process has ended, each with how; they are at work no longer."""
        for busy in list(self.busy):
            how = busy.job.ended()
            if how is not None:
                self.busy.remove(busy)
                self._note(busy)
                yield busy, how

    def _note(self, busy: Busy) -> None:
        if busy.replicate.state == "queued":
            self._note_start(busy, busy.replicate.attempts)

    def follow(self, now: float, stop: Stopping) -> None:
        """End those that are too late, those that have not begun once it is to stop, and then all."""
        for busy in self.busy:
            self._note(busy)
            limit = self.run_timeout
            if limit is not None and busy.replicate.seconds > limit:
                busy.late = f"took longer than search.trial_timeout={limit:g} seconds"
            if not busy.done and (self.place(busy.task) / "result.json").exists():
                busy.done = now
            if busy.unwanted:
                busy.give_up()
            if (
                stop.now
                or (stop and busy.replicate.state == "queued")
                or busy.late
                or (busy.done and now - busy.done > LINGER)
            ):
                busy.job.stop()
