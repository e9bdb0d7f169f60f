"""What happened in a study, as its controller writes it down: events, and the trials that they make."""

from __future__ import annotations

import time
from collections.abc import Callable
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


class Placed(msgspec.Struct, frozen=True, tag="placed", tag_field="e"):
    """One of several runs of a trial is to begin; its results go to `output`.

    `replicate` counts from 0, `name` tells its seed and fold, and `fresh` that it confirms a trial that is
    over.
    """

    time: float
    number: int
    replicate: int
    name: str
    output: str
    fresh: bool = False


class Queued(msgspec.Struct, frozen=True, tag="queued", tag_field="e"):
    """An attempt of a trial was given to a scheduler, which knows it as `job`."""

    time: float
    number: int
    attempt: int
    job: str
    replicate: int = 0


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
    replicate: int = 0


class Lost(msgspec.Struct, frozen=True, tag="lost", tag_field="e"):
    """A process of a trial ended without a result."""

    time: float
    number: int
    replicate: int
    how: str


class Ran(msgspec.Struct, frozen=True, tag="ran", tag_field="e"):
    """One of several runs of a trial is over; `values` has one for each objective."""

    time: float
    number: int
    replicate: int
    state: str
    values: list[float]
    reason: str = ""
    run: str = ""


class Told(msgspec.Struct, frozen=True, tag="told", tag_field="e"):
    """A trial is over.

    `values` has the value of each objective if there are several, `sd` and `n` are those of its runs.
    """

    time: float
    number: int
    state: str
    value: float | None = None
    reason: str = ""
    run: str = ""
    values: list[float] = []
    sd: float | None = None
    n: int = 1


class Confirmed(msgspec.Struct, frozen=True, tag="confirmed", tag_field="e"):
    """The best trials ran on fresh seeds; `winner` did best there."""

    time: float
    winner: int


class Over(msgspec.Struct, frozen=True, tag="over", tag_field="e"):
    """The study is over: nothing is left to try, or its time is up."""

    time: float
    reason: str


Event = Began | Asked | Placed | Queued | Started | Lost | Ran | Told | Confirmed | Over
_decoder = msgspec.json.Decoder(Event)


def decode(line: bytes) -> Event:
    """The event that a line holds.

    Raises:
        msgspec.DecodeError: if it holds none.
    """
    event: Event = _decoder.decode(line)
    return event


@dataclass
class Replicate:
    """One run of a trial, as a process: all of the trial, or one seed and fold of it.

    Times in Unix seconds; `crashes` counts the processes that left no result.
    """

    index: int
    output: Path
    name: str = ""
    fresh: bool = False
    state: State = "waiting"
    values: tuple[float, ...] = ()
    reason: str = ""
    run: str = ""
    attempts: int = 0
    crashes: int = 0
    started: float | None = None
    ended: float | None = None
    process: Process | None = None
    devices: str = ""
    job: str = ""

    @property
    def over(self) -> bool:
        return self.state in OVER

    @property
    def value(self) -> float | None:
        """That of the first objective."""
        return self.values[0] if self.values else None

    @property
    def seconds(self) -> float:
        """From its first start to its end, or to now."""
        return 0.0 if self.started is None else (self.ended or time.time()) - self.started


@dataclass
class Trial:
    """One place of the space, and what came of it: a run, or several of which `value` is the mean.

    `values` has one for each objective, `sd` and `n` belong to the first one. Times in Unix seconds.
    """

    number: int
    params: dict[str, str | int | float]
    output: Path
    state: State = "waiting"
    values: tuple[float, ...] = ()
    sd: float | None = None
    n: int = 0
    reason: str = ""
    run: str = ""
    ended: float | None = None
    replicates: dict[int, Replicate] = field(default_factory=dict)

    @property
    def over(self) -> bool:
        return self.state in OVER

    @property
    def value(self) -> float | None:
        """That of the first objective."""
        return self.values[0] if self.values else None

    @property
    def searched(self) -> list[Replicate]:
        """Its runs in the search."""
        return [one for one in self.replicates.values() if not one.fresh]

    @property
    def fresh(self) -> list[Replicate]:
        """Its runs after the search, on fresh seeds."""
        return [one for one in self.replicates.values() if one.fresh]

    @property
    def attempts(self) -> int:
        """How many processes it had."""
        return sum(one.attempts for one in self.searched)

    @property
    def started(self) -> float | None:
        return min((one.started for one in self.searched if one.started), default=None)

    @property
    def seconds(self) -> float:
        """From its first start to its end, or to now."""
        return 0.0 if self.started is None else (self.ended or time.time()) - self.started


@dataclass
class History:
    """A study as its events tell it; `confirmed` is the trial that did best on fresh seeds."""

    trials: dict[int, Trial] = field(default_factory=dict)
    total: int = 0
    over: str = ""
    controller: Process | None = None
    confirmed: int | None = None

    def apply(self, event: Event) -> None:
        """Take the next event into account."""
        if isinstance(event, Began):
            self.total, self.over = event.total, ""
            self.controller = Process(event.host, event.boot, event.pid, event.born)
        elif isinstance(event, Over):
            self.over = event.reason
        elif isinstance(event, Confirmed):
            self.confirmed = event.winner
        elif isinstance(event, Asked):
            trial = Trial(event.number, event.params, Path(event.output))
            self.trials.setdefault(event.number, trial)
        elif (known := self.trials.get(event.number)) is not None:
            if isinstance(event, Told):
                self.confirmed = None
            _follow(known, event)

    def count(self, *states: State) -> int:
        """How many trials are in one of these states."""
        return sum(trial.state in states for trial in self.trials.values())

    def best(self, direction: str) -> Trial | None:
        """The finished trial with the best value; the first of equal ones."""
        return min(self._finished(), key=_order(direction), default=None)

    def ranked(self, direction: str) -> list[Trial]:
        """The finished trials that have a value, from best to worst."""
        return sorted(self._finished(), key=_order(direction))

    def _finished(self) -> list[Trial]:
        return [one for one in self.trials.values() if one.state == "finished" and one.value is not None]


def _order(direction: str) -> Callable[[Trial], tuple[float, int]]:
    sign = -1.0 if direction == "maximize" else 1.0
    return lambda trial: (sign * (trial.value or 0.0), trial.number)


def _follow(trial: Trial, event: Placed | Queued | Started | Lost | Ran | Told) -> None:
    if isinstance(event, Told):
        _end(trial, event)
        return
    known = trial.replicates.setdefault(event.replicate, Replicate(event.replicate, trial.output))
    if isinstance(event, Placed):
        known.name, known.output, known.fresh = event.name, Path(event.output), event.fresh
    elif isinstance(event, Queued):
        known.state, known.attempts, known.job, known.process = "queued", event.attempt, event.job, None
        trial.state = trial.state if trial.over else "queued"
    elif isinstance(event, Started):
        known.state, known.attempts, known.devices = "running", event.attempt, event.devices
        known.started = known.started or event.time
        known.process = Process(event.host, event.boot, event.pid, event.born)
        known.job = event.job
        trial.state = trial.state if trial.over else "running"
    elif isinstance(event, Lost):
        known.crashes += 1
    else:
        known.state = event.state  # type: ignore[assignment]  # one of them, or a later version's
        known.values, known.reason = tuple(event.values), event.reason
        known.run, known.ended = event.run, event.time


def _end(trial: Trial, event: Told) -> None:
    trial.state = event.state  # type: ignore[assignment]  # likewise
    trial.values = tuple(event.values) or (() if event.value is None else (event.value,))
    trial.sd, trial.n = event.sd, event.n if trial.values else 0
    trial.reason, trial.run, trial.ended = event.reason, event.run, event.time
    if len(trial.searched) == 1 and not trial.searched[0].over:  # its only run
        (only,) = trial.searched
        only.state, only.values, only.reason = trial.state, trial.values, trial.reason
        only.run, only.ended = trial.run, trial.ended
