"""Trials as processes of this machine: slots, starting, watching, ending."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from etm_lightning.execute.launching import Errand, Slot
from etm_lightning.execute.lock import Lock
from etm_lightning.process import Process, boot_id, born, host, lives

PATIENCE = 10.0
"""Seconds between asking a process to go and making it."""


def slots(n_jobs: int | None, gpus: Sequence[str], per_trial: int = 1, per_gpu: int = 1) -> list[Slot]:
    """The places on this machine.

    Args:
        n_jobs: how many; by default as many as the GPUs hold, or one without.
        gpus: the GPUs that may be used.
        per_trial: GPUs of one trial.
        per_gpu: trials that share a GPU.

    Raises:
        ValueError: if a trial needs more GPUs than there are.

    >>> [slot.devices for slot in slots(None, ["0", "1"], per_gpu=2)]
    ['0', '1', '0', '1']
    """
    if not gpus:
        return [Slot()] * (n_jobs or 1)
    if per_trial > len(gpus):
        raise ValueError(
            f"`search.gpus_per_trial` must be at most {len(gpus)}, the GPUs here, but got {per_trial}"
        )
    sets = [gpus[i : i + per_trial] for i in range(0, len(gpus) - per_trial + 1, per_trial)]
    most = n_jobs or len(sets) * per_gpu
    return [Slot(",".join(sets[i % len(sets)])) for i in range(most)]


@dataclass
class LocalJob:
    """A process of a trial, this one's child or one that another controller left behind.

    Attributes:
        known: which it is.
        child: its handle, if it is ours.
        held: for one that is not ours: whether it still holds the file that its trial holds.
    """

    known: Process
    child: subprocess.Popen[bytes] | None = None
    held: Callable[[], bool] = field(default=lambda: False)
    handle: str = ""
    _asked: float = 0.0

    def process(self) -> Process | None:
        return self.known

    def ended(self) -> str | None:
        if self.child is None:
            return None if self.held() or lives(self.known) else "unseen"
        if self.child.returncode is None:
            if not _exited(self.child):
                return None
            self._signal(signal.SIGKILL)  # ranks that it left behind: they would hold the devices
            self.child.wait()
        code = self.child.returncode
        return f"code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"

    def stop(self) -> None:
        now = time.monotonic()
        if not self._asked:
            self._asked = now
            self._signal(signal.SIGTERM)
        elif now - self._asked > PATIENCE:
            self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        """To it and to all that it started in its session."""
        if self.child is None and not lives(self.known):
            return  # the number may be another's by now
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.known.pid, number)


def left_behind(process: Process | None, place: Path) -> LocalJob:
    """The job that an earlier controller started on this machine, of which only its lock may be known."""
    return LocalJob(process or Process("", "", 0, 0.0), held=lambda: Lock.held(place / "lock"))


@dataclass(frozen=True)
class Local:
    """Trials are processes of this machine."""

    slots: Sequence[Slot]

    def start(self, errand: Errand, slot: Slot, lock: int) -> LocalJob:
        devices = {} if slot.devices is None else {"CUDA_VISIBLE_DEVICES": slot.devices}
        env = {**os.environ, **errand.env, **devices}
        return start(errand.command, cwd=errand.cwd, env=env, log=errand.log, hold=lock)

    def close(self) -> None:
        pass


def _exited(child: subprocess.Popen[bytes]) -> bool:
    """Whether a child is over; where the system can do that, its number stays taken meanwhile."""
    if hasattr(os, "waitid"):
        return os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    return child.poll() is not None


def start(command: Sequence[str], *, cwd: Path, env: Mapping[str, str], log: Path, hold: int) -> LocalJob:
    """Start a process in a session of its own: Ctrl-C in the terminal does not reach it.

    Args:
        command: its arguments.
        cwd: where it runs.
        env: its environment.
        log: what it prints goes there, after what is there already.
        hold: a descriptor that it keeps open as long as it lives.
    """
    with log.open("ab") as output:
        child = subprocess.Popen(
            command,
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=(hold,),
        )
    return LocalJob(Process(host(), boot_id(), child.pid, born(child.pid) or 0.0), child)
