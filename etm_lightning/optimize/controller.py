"""The loop that runs a study: a free slot gets the next trial at once, and no trial can end the study."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from etm_lightning.design.space import Space
from etm_lightning.execute import local
from etm_lightning.execute.local import Job, Slot
from etm_lightning.layout import RunFolder
from etm_lightning.optimize.folder import Events, StudyFolder
from etm_lightning.optimize.freeze import Freezer, Frozen
from etm_lightning.optimize.history import Asked, Began, Over, Started, Told, Trial
from etm_lightning.optimize.lock import Lock
from etm_lightning.optimize.screen import Screen
from etm_lightning.optimize.stopping import Stopped, Stopping
from etm_lightning.optimize.study import Brain
from etm_lightning.optimize.watch import Watch, result, verdict
from etm_lightning.process import Process, this_process
from etm_lightning.track.shipping.companion import Companion, wanted
from etm_lightning.track.shipping.configured import configured
from etm_lightning.track.trial import TRIAL

TICK = 0.01
LOOK_EVERY = 0.25
LINGER = 60.0
"""Seconds that a process may go on after its result is known."""


@dataclass(frozen=True)
class Limits:
    """How far a study goes. Seconds; None for no end.

    Attributes:
        total: how many trials there are to be.
        timeout: after which no trial begins any more.
        trial_timeout: after which a trial is ended.
        retries: how often a trial whose process died is started again.
        runtime: after which no trial begins any more, and those that run are asked to end.
    """

    total: int
    timeout: float | None = None
    trial_timeout: float | None = None
    retries: int = 1
    runtime: float | None = None


@dataclass
class Busy:
    """A trial at work, and where."""

    trial: Trial
    job: Job
    slot: Slot
    watch: Watch
    reported: int = 0
    late: str = ""
    done: float = 0.0


@dataclass
class Controller:
    """Runs a study to its end.

    Args:
        folder: of the study.
        events: where it is written down.
        brain: which decides on trials.
        space: what is tried.
        freezer: which makes a process's config of a point.
        limits: how far to go.
        slots: where trials run.
        monitor: the metric that pruning follows.
        screen: which tells of it.
        number_needed: whether a trial that returns no number has failed.
    """

    folder: StudyFolder
    events: Events
    brain: Brain
    space: Space
    freezer: Freezer
    limits: Limits
    slots: Sequence[Slot]
    monitor: str
    screen: Screen
    number_needed: bool = False
    _busy: dict[int, Busy] = field(default_factory=dict)
    _waiting: deque[int] = field(default_factory=deque)
    _crashes: dict[int, int] = field(default_factory=dict)
    _shipping: list[Companion] = field(default_factory=list)
    _stopping: Stopping = field(default_factory=Stopping)
    _exhausted: bool = False
    _ready: tuple[int, Frozen] | None = None
    _began: float = field(default_factory=time.monotonic)
    _looked: float = 0.0

    def run(self) -> None:
        """Run until nothing is left to try.

        Raises:
            Stopped: if it was asked to stop; the same command goes on with it.
        """
        me = this_process()
        self.folder.stop_file.unlink(missing_ok=True)
        self.events.write(Began(time.time(), self.limits.total, me.host, me.boot, me.pid, me.born))
        with self._stopping.signals():
            self._take_up()
            while self._step():
                time.sleep(TICK)
        for companion in self._shipping:
            self.screen.warn(*companion.finish())
        if self._stopping:
            raise Stopped(self._stopping.signal)
        complete = self._exhausted or len(self.events.history.trials) >= self.limits.total
        self.events.write(Over(time.time(), "complete" if complete else "time is up"))

    def _step(self) -> bool:
        """Do what there is to do now; whether there will be more."""
        now = time.monotonic()
        look = now - self._looked >= LOOK_EVERY
        if look:
            self._looked = now
            self._stopping.look(self.folder.stop_file)
            if self._stopping.news():
                self.screen.stopping(len(self._busy), self._stopping.now)
        for busy in list(self._busy.values()):
            how = busy.job.ended()
            if how is not None:
                self._conclude(busy, how)
            elif look:
                self._follow(busy, now)
        self._fill()
        self.screen.tick(self.events.history, [(one.trial, one.watch.values) for one in self._busy.values()])
        return bool(self._busy)

    # what was before

    def _take_up(self) -> None:
        """Go on with what an earlier controller left: its open trials, whose processes may still live."""
        history = self.events.history
        for number, point in self.brain.open().items():
            trial = history.trials.get(number)
            if trial is None:
                self._ask(number, dict(point))
            elif trial.over:
                self.brain.tell(number, trial.state, trial.value)
        for trial in list(history.trials.values()):
            if not trial.over:
                self._adopt(trial)

    def _adopt(self, trial: Trial) -> None:
        """Wait for a trial's process if it lives, else take its result if it has one, else start it again."""
        place = self.folder.trial(trial.number)
        if trial.process is None or trial.state != "running":
            if trial.number not in self._waiting:
                self._waiting.append(trial.number)
            return
        lock = place / "lock"
        job = Job(trial.process, held=lambda: Lock.held(lock))
        busy = Busy(trial, job, Slot(trial.devices or None), Watch(place, self.monitor))
        if job.ended() is None:
            self._busy[trial.number] = busy
        elif result(place) is not None:
            self._conclude(busy, "unseen")
        else:
            self._waiting.append(trial.number)

    # beginning

    def _fill(self) -> None:
        while not self._stopping and len(self._busy) < len(self.slots):
            number = self._next()
            if number is None:
                return
            self._start(number)

    def _next(self) -> int | None:
        if self._waiting:
            return self._waiting.popleft()
        known = len(self.events.history.trials)
        if self._exhausted or known >= self.limits.total or self._time_is_up():
            return None
        asked = self.brain.ask()
        if asked is None:
            self._exhausted = True
            return None
        self._ask(*asked)
        return self._waiting.popleft() if self._waiting else self._next()

    def _ask(self, number: int, point: dict[str, Any]) -> None:
        """Compose a new trial, write down that it is to be tried, and put it into the queue."""
        try:
            frozen = self.freezer.freeze(number, self.space.overrides(point), self.folder.trial(number))
        except Exception as error:
            if not self.events.history.trials:
                raise
            self.events.write(Asked(time.time(), number, point, ""))
            self._tell(
                self.events.history.trials[number], "failed", None, f"its config does not compose: {error}"
            )
            return
        self.events.write(Asked(time.time(), number, point, str(frozen.output)))
        self._ready = (number, frozen)
        self._waiting.append(number)

    def _start(self, number: int) -> None:
        trial = self.events.history.trials[number]
        place = self.folder.trial(number)
        lock = Lock.take(place / "lock")
        if lock is None:  # a process that nobody saw start: its controller was killed that very moment
            job = Job(trial.process or Process("", "", 0, 0.0), held=lambda: Lock.held(place / "lock"))
            self._busy[number] = Busy(trial, job, Slot(), Watch(place, self.monitor))
            return
        watch = Watch(place, self.monitor)
        watch.poll()
        watch.forget_prune()
        frozen = self._frozen(trial, watch.run)
        (place / "result.json").unlink(missing_ok=True)
        slot = self._free_slot()
        env = {**os.environ, **frozen.env, TRIAL: str(place), "ETM_SHIPPER": "0"}
        log = place / f"{trial.attempts + 1}.log"
        try:
            job = local.start(
                frozen.command, cwd=Path.cwd(), env=env, log=log, slot=slot, hold=lock.descriptor
            )
        finally:
            lock.release()
        process = job.process
        self.events.write(
            Started(
                time.time(),
                number,
                trial.attempts + 1,
                process.host,
                process.boot,
                process.pid,
                process.born,
                slot.devices or "",
            )
        )
        self._busy[number] = Busy(trial, job, slot, Watch(place, self.monitor))
        self.screen.began(trial)

    def _frozen(self, trial: Trial, run: RunFolder | None) -> Frozen:
        """The config of a trial; one that was at work before goes on with its run."""
        ready, self._ready = self._ready, None
        if ready is not None and ready[0] == trial.number:
            return ready[1]
        extra: dict[str, Any] = {}
        if run is not None and run.identity_file.exists():
            from etm_lightning.execute.resume import last_checkpoint
            from etm_lightning.store.run import StoredRun

            checkpoint = last_checkpoint(StoredRun(run))
            extra = {"ckpt_path": str(checkpoint)} if checkpoint else {"resume": run.path.name}
        place = self.folder.trial(trial.number)
        return self.freezer.freeze(
            trial.number, self.space.overrides(trial.params), place, trial.output, extra
        )

    def _free_slot(self) -> Slot:
        used = [busy.slot for busy in self._busy.values()]
        for slot in self.slots:
            if slot not in used:
                return slot
            used.remove(slot)
        return self.slots[0]

    # watching

    def _follow(self, busy: Busy, now: float) -> None:
        self._report(busy)
        limit = self.limits.trial_timeout
        if limit is not None and busy.trial.seconds > limit:
            busy.late = f"took longer than search.trial_timeout={limit:g} seconds"
        if self._lasted(self.limits.runtime):
            busy.watch.prune()
        if not busy.done and (self.folder.trial(busy.trial.number) / "result.json").exists():
            busy.done = now
        if self._stopping.now or busy.late or (busy.done and now - busy.done > LINGER):
            busy.job.stop()

    def _report(self, busy: Busy) -> None:
        """Give new values to the brain, and the run the word that it is better ended."""
        busy.watch.poll()
        for step in range(busy.reported, len(busy.watch.values)):
            busy.reported = step + 1
            if self.brain.report(busy.trial.number, step + 1, busy.watch.values[step]):
                busy.watch.prune()

    def _conclude(self, busy: Busy, how: str) -> None:
        """The process of a trial has ended."""
        self._busy.pop(busy.trial.number, None)
        self._report(busy)
        if busy.watch.run is not None:
            self._ship(busy.watch.run)
        found = result(self.folder.trial(busy.trial.number))
        trial, run = busy.trial, busy.watch.run.path.name if busy.watch.run else ""
        if found is not None and not (busy.late and "error" in found):
            state, value, reason = verdict(
                found, self.monitor, pruned=busy.watch.pruned, needed=self.number_needed
            )
            self._tell(trial, state, value, reason, run)
        elif busy.late:
            self._tell(trial, "failed", None, busy.late, run)
        elif self._stopping.now:
            self.screen.left(trial)
        else:
            self._crashed(trial, how, run)

    def _crashed(self, trial: Trial, how: str, run: str) -> None:
        crashes = self._crashes[trial.number] = self._crashes.get(trial.number, 0) + (how != "unseen")
        if crashes <= self.limits.retries:
            self._waiting.append(trial.number)
            self.screen.again(trial, how)
        else:
            self._tell(trial, "failed", None, f"its process ended with {how} and left no result", run)

    def _tell(self, trial: Trial, state: str, value: float | None, reason: str = "", run: str = "") -> None:
        self.brain.tell(trial.number, state, value)
        self.events.write(Told(time.time(), trial.number, state, value, reason, run))
        self.screen.ended(trial, self.events.history)

    def _ship(self, run: RunFolder) -> None:
        """Bring the run to its sinks: it had no shipper of its own."""
        sinks = list(configured(run)) if wanted() else []
        if sinks:
            companion = Companion(run, run.attempts(), sinks)
            companion.ask_to_finish()
            self._shipping.append(companion)

    def _time_is_up(self) -> bool:
        return self._lasted(self.limits.timeout) or self._lasted(self.limits.runtime)

    def _lasted(self, seconds: float | None) -> bool:
        return seconds is not None and time.monotonic() - self._began >= seconds
