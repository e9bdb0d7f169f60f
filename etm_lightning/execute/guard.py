"""The process beside a trial on a machine that the controller may not see: it starts, ends and watches it.

`python -m etm_lightning.execute.guard SETTINGS COMMAND…`, begun by a job of a scheduler, ends the trial when
the controller asks by a file, the scheduler asks by a signal, or the process that began it is gone.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import msgspec

from etm_lightning.execute import local
from etm_lightning.execute.lock import Lock
from etm_lightning.execute.remote import Begun, Traces
from etm_lightning.process import Process, lives, this_process

REQUEUE = signal.SIGUSR2
"""What asks for the end of a trial whose job will be run again."""
TICK = 0.05
HOLDING = 10.0
"""Seconds in which the controller lets go of the trial's lock."""
_RANKS = ("NTASKS", "NPROCS", "NTASKS_PER_NODE", "TASKS_PER_NODE", "PROCID", "LOCALID", "NODEID")
"""What SLURM says of the guard's place among tasks: a trial is one process, which starts its own ranks."""


class Settings(msgspec.Struct, frozen=True):
    """What a guard is told.

    Attributes:
        place: the trial's folder.
        attempt: which attempt it is.
        job: the handle of the job that it is of.
        starter: the process that started it.
        devices: what CUDA_VISIBLE_DEVICES is to say; None leaves it as it is.
        detached: it is to be no child of its starter: Ray kills the children of a worker that it ends, and
            then nobody would end the trial.
    """

    place: str
    attempt: int
    job: str
    starter: Process
    devices: str | None = None
    detached: bool = False


def command(settings: Settings, trial: Sequence[str]) -> list[str]:
    """The command line of a guard, for a trial's."""
    return [sys.executable, "-m", __spec__.name, msgspec.json.encode(settings).decode(), *trial]


@dataclass
class Guard:
    """Runs one attempt."""

    settings: Settings
    trial: Sequence[str]
    _signal: int = 0
    _traces: Traces = field(init=False)

    def __post_init__(self) -> None:
        self._traces = Traces(Path(self.settings.place), self.settings.attempt)

    def run(self) -> None:
        """Run it to its end, unless that is settled already or another job has it."""
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._hear)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, {REQUEUE})  # in the trial too: SLURM may send it to all
        again = self._traces.begun() is not None
        begun = Begun(self.settings.job, this_process())
        if self._settled() or not self._traces.claim(begun):
            return
        if (self._traces.place / "result.json").exists():
            self._traces.end("code 0")
        elif self._traces.asked_to_stop():
            self._traces.end("stopped before it began")
        else:
            self._run(begun, [*self.trial, *(self._going_on() if again else ())])

    def _settled(self) -> bool:
        """Whether this attempt has ended, or a later one was begun."""
        later = Traces(self._traces.place, self._traces.attempt + 1).begun()
        return self._traces.ended() is not None or later is not None

    def _run(self, begun: Begun, trial: Sequence[str]) -> None:
        lock = self._lock()
        if lock is None:
            self._traces.end("another process in its place")
            return
        env = {name: value for name, value in os.environ.items() if not _of_rank(name)}
        if self.settings.devices is not None:
            env["CUDA_VISIBLE_DEVICES"] = self.settings.devices
        log = self._traces.place / f"{self._traces.attempt}.log"
        job = local.start(trial, cwd=Path.cwd(), env=env, log=log, hold=lock.descriptor)
        lock.release()
        self._traces.tell(msgspec.structs.replace(begun, trial=job.known))
        why = ""
        while (how := job.ended()) is None:
            why = why or self._why()
            if why:
                job.stop()
            time.sleep(TICK)
        if why == "orphaned":
            self._traces.end("")
        elif why != "requeued":
            self._traces.end("preempted" if why == "preempted" else how)

    def _why(self) -> str:
        """Why the trial is to end; "" if it is not."""
        if REQUEUE in signal.sigpending():
            return "requeued"
        if not lives(self.settings.starter):
            return "orphaned"
        if self._signal:
            return "preempted"
        return "stopped" if self._traces.asked_to_stop() else ""

    def _lock(self) -> Lock | None:
        deadline = time.monotonic() + HOLDING
        while (lock := Lock.take(self._traces.place / "lock")) is None and time.monotonic() < deadline:
            time.sleep(TICK)
        return lock

    def _going_on(self) -> list[str]:
        """What to add to the command of a trial that was begun before, if its config has such keys."""
        from etm_lightning.execute.again import quoted
        from etm_lightning.execute.resume import going_on
        from etm_lightning.layout import RunFolder
        from etm_lightning.track.prune import RUN

        with contextlib.suppress(FileNotFoundError):
            run = RunFolder(Path((self._traces.place / RUN).read_text()))
            known = (self._traces.place / "trial.yaml").read_text().splitlines()
            keys = {line.partition(":")[0] for line in known if not line.startswith((" ", "#"))}
            return [f"{key}={quoted(value)}" for key, value in going_on(run).items() if key in keys]
        return []

    def _hear(self, number: int, frame: FrameType | None) -> None:
        self._signal = number


def run(settings: Settings, trial: Sequence[str], cwd: str, env: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start a guard, in a session of its own; the `stdout` of a detached one ends when it does."""
    return subprocess.Popen(
        command(settings, trial),
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if settings.detached else None,
        start_new_session=True,
    )


def main(arguments: Sequence[str]) -> None:
    """What the process does."""
    settings = msgspec.json.decode(arguments[0], type=Settings)
    if settings.detached and os.fork():
        os._exit(0)
    Guard(settings, arguments[1:]).run()


def _of_rank(name: str) -> bool:
    return name.startswith("SLURM_STEP") or name.removeprefix("SLURM_") in _RANKS


if __name__ == "__main__":
    main(sys.argv[1:])
