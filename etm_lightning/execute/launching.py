"""What a study needs of a launcher: to start a command line somewhere, and to say when and how it ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from etm_lightning.process import Process

CRASHES_OF_OTHERS = ("unseen", "preempted")
"""Ends that say nothing against a trial: nobody saw it, or its place was needed."""
MEMORY = "out of memory"


@dataclass(frozen=True)
class Slot:
    """A place for one trial; `devices` is what CUDA_VISIBLE_DEVICES says there, None to leave it as it is."""

    devices: str | None = None


@dataclass(frozen=True)
class Errand:
    """One attempt of a trial, to be run.

    Attributes:
        command: its arguments.
        cwd: where it runs.
        env: variables that it needs besides this process's.
        place: the trial's folder.
        attempt: which one it is, from 1.
    """

    command: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str]
    place: Path
    attempt: int

    @property
    def log(self) -> Path:
        """Where goes what it prints."""
        return self.place / f"{self.attempt}.log"


class Job(Protocol):
    """An attempt that was started, or waits for its turn."""

    @property
    def handle(self) -> str:
        """How another controller finds it; "" for a process of this machine."""

    def process(self) -> Process | None:
        """Its process; None as long as it waits for its turn."""

    def ended(self) -> str | None:
        """How it ended, in words: `code 1`, `signal SIGKILL`, `preempted`; None before that."""

    def stop(self) -> None:
        """Ask it to go; called again, after a while, make it."""


class Launcher(Protocol):
    """Where trials run."""

    @property
    def slots(self) -> Sequence[Slot]:
        """A place for each trial that may be at work or wait for its turn at one time."""

    def start(self, errand: Errand, slot: Slot, lock: int) -> Job:
        """Start an attempt.

        Args:
            errand: what to start.
            slot: where.
            lock: a descriptor that a process of this machine is to keep open as long as it lives; whoever
                starts it elsewhere holds the file `lock` in the trial's folder there.
        """

    def close(self) -> None:
        """The study is over."""
