"""Trials as jobs of SLURM, submitted by submitit; its local executor runs them here in the same way."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from etm_lightning.design.config import SlurmConfig
from etm_lightning.execute import guard
from etm_lightning.execute.launching import MEMORY, Errand, Slot
from etm_lightning.execute.local import PATIENCE
from etm_lightning.execute.remote import RemoteJob, Traces
from etm_lightning.process import this_process

ASK_EVERY = 5.0
"""Seconds between two questions to SLURM, which answers for all jobs at once."""
FOLDER = "slurm"
"""In the trial's folder: what submitit writes, and what a job prints that never came to its trial."""


class Porter:
    """What a job does: start the trial's guard, and wait. submitit pickles it.

    Args:
        errand: what is to be run; its variables come with the job's environment, so no secret is written.
        devices: what CUDA_VISIBLE_DEVICES is to say; None leaves it to SLURM.
    """

    def __init__(self, errand: Errand, devices: str | None) -> None:
        self._command, self._cwd = errand.command, str(errand.cwd)
        self._place, self._attempt, self._devices = str(errand.place), errand.attempt, devices
        self._guard: subprocess.Popen[bytes] | None = None

    def __call__(self) -> int:
        import submitit

        job = submitit.JobEnvironment()
        handle = f"{job.cluster} {job.job_id}"
        settings = guard.Settings(self._place, self._attempt, handle, this_process(), self._devices)
        self._guard = guard.run(settings, self._command, self._cwd, dict(os.environ))
        while (code := self._guard.poll()) is None:  # `wait` would leave `checkpoint` nothing to wait for
            time.sleep(guard.TICK)
        return code

    def checkpoint(self) -> Any:
        """The job is to be run again: end the trial, which then goes on from its last checkpoint."""
        import submitit

        if self._guard is not None:
            self._guard.send_signal(guard.REQUEUE)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._guard.wait(PATIENCE + 5.0)
        return submitit.helpers.DelayedSubmission(self)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_guard": None}


class Slurm:
    """Trials are jobs of SLURM.

    Args:
        config: what to ask SLURM for.
        slots: how many trials may be at work or wait at one time, and where with ``cluster=local``.

    Raises:
        ImportError: without submitit.
        ValueError: if the settings cannot be, or there is no SLURM here.
    """

    def __init__(self, config: SlurmConfig, slots: Sequence[Slot]) -> None:
        self.slots = slots
        self._config = config
        if config.cluster not in ("slurm", "local"):
            raise ValueError(f"`hydra.launcher.cluster` must be slurm or local but got {config.cluster!r}")
        needs_submitit()
        self._queue = Queue()

    def start(self, errand: Errand, slot: Slot, lock: int) -> RemoteJob:
        devices = (slot.devices or "") if self._config.cluster == "local" else None
        executor = self._executor(errand)
        with _environment(errand.env), _without_interrupts():
            job = executor.submit(Porter(errand, devices))
        handle = f"{self._config.cluster} {job.job_id}"
        return RemoteJob(Traces(errand.place, errand.attempt), self._ticket(handle), self._ticket)

    def close(self) -> None:
        pass

    def _ticket(self, handle: str) -> Submitted | LocalSubmitted:
        return ticket(handle, self._queue)

    def _executor(self, errand: Errand) -> Any:
        import submitit

        logging.getLogger("submitit").setLevel(logging.ERROR)
        config, folder = self._config, errand.place / FOLDER
        try:
            executor = submitit.AutoExecutor(folder, cluster=config.cluster, **_requeues(config))
            executor.update_parameters(
                **parameters(config, f"{errand.place.parents[1].name}.{errand.place.name}")
            )
        except (RuntimeError, ValueError, NameError, TypeError) as error:
            first = str(error).splitlines()[0]
            raise ValueError(f"`hydra.launcher` cannot submit to {config.cluster}: {first}") from error
        return executor


def needs_submitit() -> None:
    """Raise an ImportError that says how to get it."""
    try:
        import submitit  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "hydra/launcher=etm_slurm needs submitit: pip install 'etm-lightning[slurm]'"
        ) from error


def parameters(config: SlurmConfig, name: str) -> dict[str, Any]:
    """What submitit takes, for a job of this name.

    >>> parameters(SlurmConfig(cluster="local", time=30), "study.0")["timeout_min"]
    30
    """
    shared = {"name": name, "timeout_min": config.time}
    if config.cluster != "slurm":
        return shared
    given = {
        "slurm_partition": config.partition,
        "slurm_account": config.account,
        "slurm_qos": config.qos,
        "slurm_constraint": config.constraint,
        "slurm_cpus_per_task": config.cpus,
        "slurm_gpus_per_node": config.gpus or None,
        "slurm_mem": config.mem,
        "slurm_setup": list(config.setup) or None,
        "slurm_signal_delay_s": config.warning,
        "slurm_additional_parameters": dict(config.extra) or None,
    }
    return shared | {key: value for key, value in given.items() if value is not None}


def _requeues(config: SlurmConfig) -> dict[str, int]:
    return {f"{config.cluster}_max_num_timeout": config.requeues}


class Queue:
    """SLURM's queue, asked for all jobs of the user at once, and not too often."""

    def __init__(self) -> None:
        self._asked = 0.0
        self._known: set[str] | None = None
        self._born: dict[str, float] = {}

    def holds(self, job: str) -> bool:
        """Whether a job waits or runs; true as long as SLURM does not answer."""
        now = time.monotonic()
        born = self._born.setdefault(job, now)
        if now - self._asked >= ASK_EVERY:
            self._asked = now
            told = _ask("squeue", "--me", "--noheader", "--format=%A")
            self._known = None if told is None else set(told.split())
        # what was submitted after the last answer is not in it
        return self._known is None or job in self._known or born >= self._asked


@dataclass
class Submitted:
    """A job of SLURM's."""

    id: str
    queue: Queue
    kind: str = "slurm"

    @property
    def handle(self) -> str:
        return f"{self.kind} {self.id}"

    def gone(self) -> str | None:
        if self.queue.holds(self.id):
            return None
        told = (_ask("sacct", "-X", "-n", "-P", "-o", "State", "-j", self.id) or "").split()
        return words(told[-1] if told else "")

    def cancel(self) -> None:
        _ask("scancel", self.id)


def words(state: str) -> str:
    """How a job ended that SLURM does not have any more.

    >>> words("OUT_OF_MEMORY"), words("PREEMPTED"), words("TIMEOUT"), words("COMPLETED"), words("")
    ('out of memory', 'preempted', 'SLURM state TIMEOUT', 'unseen', 'unseen')
    """
    if state in ("", "COMPLETED", "RUNNING", "COMPLETING"):  # without a word of its guard
        return "unseen"
    known = {"OUT_OF_MEMORY": MEMORY, "PREEMPTED": "preempted"}
    return known.get(state, f"SLURM state {state}")


@dataclass
class LocalSubmitted:
    """A process of this machine that submitit's local executor started."""

    id: str
    kind: str = "local"
    _process: psutil.Process | None = field(init=False)

    def __post_init__(self) -> None:
        try:
            found = psutil.Process(int(self.id))
            self._process = found if any("submitit" in word for word in found.cmdline()) else None
        except (psutil.NoSuchProcess, psutil.ZombieProcess, psutil.AccessDenied):
            self._process = None

    @property
    def handle(self) -> str:
        return f"{self.kind} {self.id}"

    def gone(self) -> str | None:
        process = self._process
        with contextlib.suppress(psutil.NoSuchProcess):
            if process is not None and process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                return None
        return "unseen"

    def cancel(self) -> None:
        if self._process is not None:
            with contextlib.suppress(psutil.NoSuchProcess):
                for one in [*self._process.children(), self._process]:
                    one.kill()


def ticket(handle: str, queue: Queue) -> Submitted | LocalSubmitted:
    """The ticket of a handle."""
    kind, _, id = handle.partition(" ")
    return LocalSubmitted(id) if kind == "local" else Submitted(id, queue)


def left_behind(handle: str, place: Path, attempt: int) -> RemoteJob:
    """An attempt that an earlier controller submitted, and that went on without it."""
    queue = Queue()
    return RemoteJob(Traces(place, attempt), ticket(handle, queue), lambda handle: ticket(handle, queue))


def _ask(*command: str) -> str | None:
    """What a command of SLURM's says; None if it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


@contextlib.contextmanager
def _environment(extra: Mapping[str, str]) -> Any:
    """Variables that a job inherits: SLURM and submitit hand on those of the process that submits."""
    before = {name: os.environ.get(name) for name in extra}
    os.environ.update(extra)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _without_interrupts() -> Any:
    """What is started here is not reached by Ctrl-C in the terminal."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
