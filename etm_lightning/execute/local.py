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

from etm_lightning.process import Process, boot_id, born, host, lives

PATIENCE = 10.0
"""Seconds between asking a process to go and making it."""


@dataclass(frozen=True)
class Slot:
    """A place for one trial; `devices` is what CUDA_VISIBLE_DEVICES says there, None to leave it as it is."""

    devices: str | None = None


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


def gpus() -> list[str]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them; none without a driver."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [name.strip() for name in visible.split(",") if name.strip() not in ("", "-1")]
    import pynvml

    try:
        pynvml.nvmlInit()
        try:
            return [str(number) for number in range(pynvml.nvmlDeviceGetCount())]
        finally:
            pynvml.nvmlShutdown()
    except pynvml.NVMLError:
        return []


@dataclass
class Job:
    """A process of a trial, this one's child or one that another controller left behind.

    Attributes:
        process: which it is.
        child: its handle, if it is ours.
        held: for one that is not ours: whether it still holds the file that its trial holds.
    """

    process: Process
    child: subprocess.Popen[bytes] | None = None
    held: Callable[[], bool] = field(default=lambda: False)
    began: float = field(default_factory=time.monotonic)
    _asked: float = 0.0

    def ended(self) -> str | None:
        """How it ended, in words: `code 1`, `signal SIGKILL`; None while it runs."""
        if self.child is None:
            return None if self.held() or lives(self.process) else "unseen"
        if self.child.returncode is None:
            if not _exited(self.child):
                return None
            self._signal(signal.SIGKILL)  # ranks that it left behind: they would hold the devices
            self.child.wait()
        code = self.child.returncode
        return f"code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"

    def stop(self) -> None:
        """Ask it to go; said again, after `PATIENCE` seconds, make it."""
        now = time.monotonic()
        if not self._asked:
            self._asked = now
            self._signal(signal.SIGTERM)
        elif now - self._asked > PATIENCE:
            self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        """To it and to all that it started in its session."""
        if self.child is None and not lives(self.process):
            return  # the number may be another's by now
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)


def _exited(child: subprocess.Popen[bytes]) -> bool:
    """Whether a child is over; where the system can do that, its number stays taken meanwhile."""
    if hasattr(os, "waitid"):
        return os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    return child.poll() is not None


def start(
    command: Sequence[str], *, cwd: Path, env: Mapping[str, str], log: Path, slot: Slot, hold: int
) -> Job:
    """Start a process in a session of its own: Ctrl-C in the terminal does not reach it.

    Args:
        command: its arguments.
        cwd: where it runs.
        env: its environment.
        log: what it prints goes there, after what is there already.
        slot: where it is to run.
        hold: a descriptor that it keeps open as long as it lives.
    """
    given = dict(env) if slot.devices is None else {**env, "CUDA_VISIBLE_DEVICES": slot.devices}
    with log.open("ab") as output:
        child = subprocess.Popen(
            command,
            cwd=cwd,
            env=given,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=(hold,),
        )
    return Job(Process(host(), boot_id(), child.pid, born(child.pid) or 0.0), child)
