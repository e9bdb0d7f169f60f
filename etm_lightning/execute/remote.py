"""A trial on a machine that may be another one: what is seen of it from here, all of it through files.

The trial's folder is on a file system that both see. There the trial's guard (`guard.py`) writes when it
begins and how it ended; here a `RemoteJob` reads that, and asks the scheduler only about what no file says.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec

from etm_lightning.execute.local import PATIENCE
from etm_lightning.process import Process, lives
from etm_lightning.track.shipping.cursors import replace

LOOK_EVERY = 0.2
"""Seconds between two looks into the folder."""
GRACE = PATIENCE + 10.0
"""Seconds that a guard on another machine may need to end its trial when its scheduler has let go of it."""
LAG = 2.0
"""Seconds that the last word of a guard may be on its way."""


class Begun(msgspec.Struct, frozen=True):
    """What a guard says when it takes an attempt up, and again when the trial's process runs.

    Attributes:
        job: the handle of the job that it is of.
        guard: its own process.
        trial: the trial's.
    """

    job: str
    guard: Process
    trial: Process | None = None


@dataclass(frozen=True)
class Traces:
    """The files of one attempt, in the folder of its trial."""

    place: Path
    attempt: int

    def claim(self, begun: Begun) -> bool:
        """Take the attempt up; false if another job has. One that has may do so again: it was requeued."""
        temporary = self._file(f"began.{os.getpid()}")
        temporary.write_bytes(msgspec.json.encode(begun))
        try:
            os.link(temporary, self._file("began"))
        except FileExistsError:
            known = self.begun()
            if known is None or known.job != begun.job:
                return False
            self.tell(begun)
        finally:
            temporary.unlink()
        return True

    def tell(self, begun: Begun) -> None:
        """Say more of an attempt that was taken up."""
        replace(self._file("began"), msgspec.json.encode(begun))

    def begun(self) -> Begun | None:
        """Who took the attempt up; None if nobody has."""
        try:
            return msgspec.json.decode(self._file("began").read_bytes(), type=Begun)
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    def end(self, how: str) -> None:
        """Write down how the attempt ended; "" if its scheduler knows that better."""
        replace(self._file("end"), how.encode())

    def ended(self) -> str | None:
        """What `end` wrote; None before that."""
        try:
            return self._file("end").read_text()
        except FileNotFoundError:
            return None

    def ask_to_stop(self) -> None:
        self._file("stop").touch()

    def asked_to_stop(self) -> bool:
        return self._file("stop").exists()

    def refresh(self) -> None:
        """Look through the folder: over NFS, what was not there a minute ago is else not looked for."""
        with contextlib.suppress(OSError):
            os.listdir(self.place)

    def _file(self, kind: str) -> Path:
        return self.place / f"{self.attempt}.{kind}"


class Ticket(Protocol):
    """What a scheduler gave for a job."""

    @property
    def handle(self) -> str:
        """By which it is found again."""

    def gone(self) -> str | None:
        """How the job ended, as far as the scheduler knows; None while it waits, runs, or will run again."""

    def cancel(self) -> None:
        """End it, whether it waits or runs."""


@dataclass
class RemoteJob:
    """An attempt that a scheduler has.

    Args:
        traces: its files.
        ticket: what the scheduler gave.
        find: from a handle to its ticket. When a controller died between submitting a job and writing that
            down, the next one submits it again, and the job that begins first is the one that counts.
    """

    traces: Traces
    ticket: Ticket
    find: Callable[[str], Ticket]
    _looked: float = 0.0
    _gone: float = 0.0
    _asked: float = 0.0

    @property
    def handle(self) -> str:
        return self.ticket.handle

    def process(self) -> Process | None:
        begun = self.traces.begun()
        return begun.trial if begun else None

    def ended(self) -> str | None:
        now = time.monotonic()
        if now - self._looked < LOOK_EVERY:
            return None
        self._looked = now
        told = self.traces.ended()
        if told:
            return told
        begun = self.traces.begun()
        if begun is not None and begun.job != self.handle:
            self.ticket = self.find(begun.job)
        alive = lives(begun.guard) if begun is not None and told is None else False
        word = None if alive else self.ticket.gone()
        if word is None:
            self._gone = 0.0
            return None
        self._gone = self._gone or now
        self.traces.refresh()
        patience = GRACE if alive is None and told is None else 0.0 if told is not None else LAG
        return word if now - self._gone >= patience else None

    def stop(self) -> None:
        now = time.monotonic()
        if not self._asked:
            self._asked = now
            self.traces.ask_to_stop()
            if self.process() is None:
                self.ticket.cancel()
        elif now - self._asked > 2 * PATIENCE:
            self._asked = now
            self.ticket.cancel()
