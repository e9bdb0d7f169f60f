"""The loop that runs a study: a free slot gets the next run at once, and no trial can end the study."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from etm_lightning.execute.launching import CRASHES_OF_OTHERS, MEMORY
from etm_lightning.optimize.checkpoints import Keeper
from etm_lightning.optimize.companions import Companions
from etm_lightning.optimize.crew import Busy, Crew, Task
from etm_lightning.optimize.goal import Goal
from etm_lightning.optimize.history import Asked, Began, Confirmed, Lost, Over, Ran, State, Told, Trial
from etm_lightning.optimize.repeats import Repeats
from etm_lightning.optimize.screen import Screen
from etm_lightning.optimize.stopping import Stopped, Stopping
from etm_lightning.optimize.study import Brain
from etm_lightning.optimize.verdicts import Verdict, ended, hopeless, verdict
from etm_lightning.optimize.watch import judged, result
from etm_lightning.process import this_process

TICK = 0.01
LOOK_EVERY = 0.25
_UNFIT = "the search saw that it would not be the best"


@dataclass(frozen=True)
class Limits:
    """How far a study goes. Seconds; None for no end.

    Attributes:
        total: how many trials there are to be.
        timeout: after which no trial begins any more.
        retries: how often a run whose process died is started again.
        runtime: after which no trial begins any more, and those that run are asked to end.
    """

    total: int
    timeout: float | None = None
    retries: int = 1
    runtime: float | None = None


@dataclass
class Controller:
    """Runs a study to its end.

    Args:
        crew: which runs its processes.
        brain: which decides on trials.
        goal: what is to become large or small.
        repeats: the runs of which a trial consists, and those that confirm the best.
        limits: how far to go.
        screen: which tells of it.
        keeper: which deletes the checkpoints of losers.
        number_needed: whether a run that returns no number has failed.
    """

    crew: Crew
    brain: Brain
    goal: Goal
    repeats: Repeats
    limits: Limits
    screen: Screen
    keeper: Keeper
    number_needed: bool = False
    _waiting: deque[Task] = field(default_factory=deque)
    _given_up: dict[int, str] = field(default_factory=dict)
    _companions: Companions = field(default_factory=Companions)
    _stopping: Stopping = field(default_factory=Stopping)
    _exhausted: bool = False
    _began: float = field(default_factory=time.monotonic)
    _looked: float = 0.0

    def __post_init__(self) -> None:
        self.folder, self.events = self.crew.folder, self.crew.events

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
            self.keeper.look(self.events.history)
            while self._step():
                time.sleep(TICK)
        self.screen.warn(*self._companions.finish())
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
                self.screen.stopping(len(self.crew.busy), self._stopping.now)
        for busy, how in self.crew.ended():
            self._conclude(busy, how)
        if look:
            for busy in self.crew.busy:
                self._report(busy)
            self._companions.look(busy.watch.run for busy in self.crew.busy if busy.watch.run is not None)
            if self._lasted(self.limits.runtime):
                self._end_early()
            self.crew.follow(now, self._stopping)
        self._fill()
        running = [(one.trial, one.replicate, one.watch.values) for one in self.crew.busy]
        self.screen.tick(self.events.history, running)
        return bool(self.crew.busy)

    # what was before

    def _take_up(self) -> None:
        """Go on with what an earlier controller left: its open trials, whose processes may still live."""
        history = self.events.history
        for number, point in self.brain.open().items():
            trial = history.trials.get(number)
            if trial is None:
                self._ask(number, dict(point))
            elif trial.over:
                self.brain.tell(number, trial.state, trial.values)
        asked = {task.number for task in self._waiting}
        for trial in list(history.trials.values()):
            if not trial.over and trial.number not in asked:
                self._adopt(self.repeats.tasks(trial.number), trial)
                self._settle(trial)
            elif trial.fresh:
                self._adopt(self.repeats.confirming(trial.number), trial)

    def _adopt(self, tasks: list[Task], trial: Trial) -> None:
        """Wait for the processes that live, take the results that are there, start the others again."""
        for task in tasks:
            known = trial.replicates.get(task.index)
            if (known is None or not known.over) and self.crew.adopt(task) is None:
                self._waiting.append(task)

    # beginning

    def _fill(self) -> None:
        while not self._stopping and not self.crew.full:
            task = self._next()
            if task is None:
                return
            busy = self.crew.start(task)
            self.screen.began(busy.trial, busy.replicate)

    def _next(self) -> Task | None:
        while not self._waiting and self._more():
            asked = self.brain.ask()
            if asked is None:
                self._exhausted = True
            else:
                self._ask(*asked)
        if not self._waiting and not self.crew.busy:
            self._confirm()
        return self._waiting.popleft() if self._waiting else None

    def _more(self) -> bool:
        known = len(self.events.history.trials)
        return not (self._exhausted or known >= self.limits.total or self._time_is_up())

    def _ask(self, number: int, point: dict[str, Any]) -> None:
        """Compose a new trial, write down that it is to be tried, and put its runs into the queue."""
        tasks = self.repeats.tasks(number)
        try:
            output = self.crew.prepare(tasks[0], point)
        except Exception as error:
            if not self.events.history.trials:
                raise
            self.events.write(Asked(time.time(), number, point, ""))
            why = f"its config does not compose: {error}"
            self._tell(self.events.history.trials[number], Verdict("failed", reason=why))
            return
        self.events.write(Asked(time.time(), number, point, str(output)))
        self._waiting.extend(tasks)

    def _confirm(self) -> None:
        """Put the best trials into the queue once more, on fresh seeds; when that is done, say which won."""
        history = self.events.history
        trials = self.repeats.candidates(history, self.goal)
        tasks = [task for trial in trials for task in self.repeats.confirming(trial.number)]
        open = [
            task
            for task in tasks
            if (one := history.trials[task.number].replicates.get(task.index)) is None or not one.over
        ]
        if open:
            self.screen.confirming(trials, len(open))
            self._waiting.extend(open)
        elif trials and history.confirmed is None:
            winner = self.repeats.winner(trials, self.goal)
            self.events.write(Confirmed(time.time(), winner.number))

    # watching

    def _report(self, busy: Busy) -> None:
        """Give new values to the brain, and the trial's runs the word that they are better ended."""
        busy.watch.poll()
        if busy.task.fresh or not self.repeats.reports_steps(busy.task.index):
            return
        for step in range(busy.reported, len(busy.watch.values)):
            busy.reported = step + 1
            if self.brain.report(busy.trial.number, step + 1, busy.watch.values[step]):
                self._give_up(busy.trial, _UNFIT)

    def _give_up(self, trial: Trial, why: str) -> None:
        """Begin no more runs of a trial, and ask those at work to end."""
        self._given_up[trial.number] = why
        self._waiting = deque(task for task in self._waiting if task.number != trial.number)
        for busy in self.crew.of(trial.number):
            busy.give_up()

    def _end_early(self) -> None:
        """The time of the search is up: what runs is asked to end, and what waits does not begin."""
        for trial in {busy.trial.number: busy.trial for busy in self.crew.busy}.values():
            if not trial.over and trial.number not in self._given_up:
                self._give_up(trial, "the time of the search was up")

    def _conclude(self, busy: Busy, how: str) -> None:
        """The process of a run has ended."""
        self._report(busy)
        if busy.watch.run is not None:
            self._companions.ended(busy.watch.run)
        found = result(self.crew.place(busy.task))
        run = busy.watch.run.path.name if busy.watch.run else ""
        if found is not None and not (busy.late and "error" in found):
            pruned = busy.watch.pruned
            self._ran(busy, *judged(found, self.goal, pruned=pruned, needed=self.number_needed), run)
        elif busy.late:
            self._ran(busy, "failed", (), busy.late, run)
        elif self._stopping.now or (self._stopping and busy.replicate.state == "queued"):
            self.screen.left(busy.trial)
        elif how == MEMORY:
            self._ran(busy, "infeasible", (), f"its process was ended: {how}", run)
        elif busy.unwanted:
            self._ran(busy, "pruned", (), "", run)
        else:
            self._crashed(busy, how, run)

    def _crashed(self, busy: Busy, how: str, run: str) -> None:
        if how not in CRASHES_OF_OTHERS:
            self.events.write(Lost(time.time(), busy.trial.number, busy.task.index, how))
        if busy.replicate.crashes <= self.limits.retries:
            self._waiting.append(busy.task)
            self.screen.again(busy.trial, busy.replicate, how)
        else:
            self._ran(busy, "failed", (), f"its process ended with {how} and left no result", run)

    def _ran(self, busy: Busy, state: State, values: tuple[float, ...], reason: str, run: str) -> None:
        """A run is over; often that is the end of its trial."""
        trial, task = busy.trial, busy.task
        if not self.repeats.several and not task.fresh:
            n = 1 if values else 0
            self._tell(trial, Verdict(state, values, None, n, reason, run))
            return
        told = Ran(time.time(), task.number, task.index, state, list(values), reason, run)
        self.events.write(told)
        self.screen.ran(trial, busy.replicate)
        if task.fresh:
            return
        compared = self.repeats.reports_runs and state == "finished" and bool(values)
        if compared and self.brain.report(task.number, task.index + 1, values[0]):
            self._given_up[task.number] = _UNFIT
        self._settle(trial)

    def _settle(self, trial: Trial) -> None:
        """Tell a trial as soon as its runs decide it, and none is at work any more."""
        planned = self.repeats.planned
        if trial.number not in self._given_up:
            best = self.events.history.best(self.goal.direction)
            if best and hopeless(trial.searched, planned, self.goal, self.repeats.optimum, best):
                self._given_up[trial.number] = f"it cannot beat trial {best.number} any more"
        why = self._given_up.get(trial.number)
        found = verdict(trial.searched, planned, self.goal)
        if found is None and why is not None:
            found = ended(trial.searched, self.goal, why)
        if found is None:
            return
        self._give_up(trial, why or found.reason)
        if not self.crew.of(trial.number):
            self._tell(trial, found)

    def _tell(self, trial: Trial, found: Verdict) -> None:
        self.brain.tell(trial.number, found.state, found.values)
        value = found.values[0] if found.values else None
        values = list(found.values) if self.goal.several else []
        self.events.write(
            Told(
                *(time.time(), trial.number, found.state, value, found.reason, found.run),
                *(values, found.sd, found.n),
            )
        )
        self.screen.ended(trial, self.events.history)
        self.keeper.look(self.events.history)

    def _time_is_up(self) -> bool:
        return self._lasted(self.limits.timeout) or self._lasted(self.limits.runtime)

    def _lasted(self, seconds: float | None) -> bool:
        return seconds is not None and time.monotonic() - self._began >= seconds
