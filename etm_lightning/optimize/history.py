"""What happened in a study, as its controller writes it down: events, and the trials that they make."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import msgspec

from etm_lightning.process import Process

State = Literal["waiting", "queued", "running", "finished", "pruned", "infeasible", "failed"]
OVER: tuple[State, ...] = ("finished", "pruned", "infeasible", "failed")
"""States that a trial does not leave. Infeasible: it did not fit into memory."""


class Began(msgspec.Struct, frozen=True, tag="began", tag_field="e"):
    """A controller took the study up, to come to `total` trials."""

    time: float
    total: int
    host: str
    boot: str
    pid: int
    born: float


class Asked(msgspec.Struct, frozen=True, tag="asked", tag_field="e"):
    """A trial is to be tried; its results go to `output`."""

    time: float
    number: int
    params: dict[str, str | int | float]
    output: str


class Queued(msgspec.Struct, frozen=True, tag="queued", tag_field="e"):
    """An attempt of a trial was given to a scheduler, which knows it as `job`."""

    time: float
    number: int
    attempt: int
    job: str


class Started(msgspec.Struct, frozen=True, tag="started", tag_field="e"):
    """A process of a trial began; `job` as in `Queued`, "" for a child of the controller."""

    time: float
    number: int
    attempt: int
    host: str
    boot: str
    pid: int
    born: float
    devices: str = ""
    job: str = ""


class Told(msgspec.Struct, frozen=True, tag="told", tag_field="e"):
    """A trial is over."""

    time: float
    number: int
    state: str
    value: float | None = None
    reason: str = ""
    run: str = ""


class Over(msgspec.Struct, frozen=True, tag="over", tag_field="e"):
    """The study is over: nothing is left to try, or its time is up."""

    time: float
    reason: str


Event = Began | Asked | Queued | Started | Told | Over
_decoder = msgspec.json.Decoder(Event)


def decode(line: bytes) -> Event:
    """The event that a line holds.

    Raises:
        msgspec.DecodeError: if it holds none.
    """
    event: Event = _decoder.decode(line)
    return event


@dataclass
class Trial:
    """One place of the space, and what came of it. Times in Unix seconds; `crashes` counts lost processes."""

    number: int
    params: dict[str, str | int | float]
    output: Path
    state: State = "waiting"
    value: float | None = None
    reason: str = ""
    run: str = ""
    attempts: int = 0
    started: float | None = None
    ended: float | None = None
    process: Process | None = None
    devices: str = ""
    job: str = ""

    @property
    def over(self) -> bool:
        return self.state in OVER

    @property
    def seconds(self) -> float:
        """From its first start to its end, or to now."""
        return 0.0 if self.started is None else (self.ended or time.time()) - self.started


@dataclass
class History:
    """A study as its events tell it."""

    trials: dict[int, Trial] = field(default_factory=dict)
    total: int = 0
    over: str = ""
    controller: Process | None = None

    def apply(self, event: Event) -> None:
        """Take the next event into account."""
        if isinstance(event, Began):
            self.total, self.over = event.total, ""
            self.controller = Process(event.host, event.boot, event.pid, event.born)
        elif isinstance(event, Over):
            self.over = event.reason
        elif isinstance(event, Asked):
            self.trials.setdefault(event.number, Trial(event.number, event.params, Path(event.output)))
        elif (trial := self.trials.get(event.number)) is not None:
            _follow(trial, event)

    def count(self, *states: State) -> int:
        """How many trials are in one of these states."""
        return sum(trial.state in states for trial in self.trials.values())

    def best(self, direction: str) -> Trial | None:
        """The finished trial with the best value; the first of equal ones."""
        found = [
            trial for trial in self.trials.values() if trial.state == "finished" and trial.value is not None
        ]
        sign = -1.0 if direction == "maximize" else 1.0
        return min(found, key=lambda trial: (sign * (trial.value or 0.0), trial.number), default=None)


def _follow(trial: Trial, event: Queued | Started | Told) -> None:
    if isinstance(event, Queued):
        trial.state, trial.attempts, trial.job, trial.process = "queued", event.attempt, event.job, None
    elif isinstance(event, Started):
        trial.state, trial.attempts, trial.devices = "running", event.attempt, event.devices
        trial.started = trial.started or event.time
        trial.process = Process(event.host, event.boot, event.pid, event.born)
        trial.job = event.job
    else:
        trial.state = event.state  # type: ignore[assignment]  # one of them, or a later version's
        trial.value, trial.reason, trial.run, trial.ended = event.value, event.reason, event.run, event.time
