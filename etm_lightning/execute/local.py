"""Processes of this machine that are trials: slots, starting, watching, ending."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from etm_lightning.execute.launching import Slot
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
    """A process of a trial, which leads a session of its own.

    Attributes:
        known: which it is.
        look: how it ended, in words, once it and all in its session are gone; None before that.
    """

    known: Process
    look: Callable[[], str | None]
    handle: str = ""
    _asked: float = 0.0

    def process(self) -> Process | None:
        return self.known

    def ended(self) -> str | None:
        return self.look()

    def stop(self) -> None:
        now = time.monotonic()
        if not self._asked:
            self._asked = now
            self._signal(signal.SIGTERM)
        elif now - self._asked > PATIENCE:
            self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        """To it and to all that it started in its session."""
        if not lives(self.known):
            return  # the number may be another's by now
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.known.pid, number)


def left_behind(process: Process | None, place: Path) -> LocalJob:
    """The job of a process that is nobody's child here, of which only the trial's lock may be known."""
    known = process or Process("", "", 0, 0.0)
    return LocalJob(known, lambda: None if Lock.held(place / "lock") or lives(known) else "unseen")


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
    return LocalJob(Process(host(), boot_id(), child.pid, born(child.pid) or 0.0), lambda: _end(child))


def in_words(code: int) -> str:
    """How a process ended, by its exit code as `subprocess` has it.

    >>> in_words(1), in_words(-9)
    ('code 1', 'signal SIGKILL')
    """
    return f"code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"


def _end(child: subprocess.Popen[bytes]) -> str | None:
    if child.returncode is None:
        if not _exited(child):
            return None
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)  # ranks that it left behind: they would hold the devices
        child.wait()
    return in_words(child.returncode)


def _exited(child: subprocess.Popen[bytes]) -> bool:
    """Whether a child is over; where the system can do that, its number stays taken meanwhile."""
    if hasattr(os, "waitid"):
        return os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    return child.poll() is not None
