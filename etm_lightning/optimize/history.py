"""What became of a study: its folder, and the events that its controller wrote down there.

`study.json` says what the study is, `events.jsonl` what happened, one JSON object a line, appended only. Both
are truth; whatever else lies in the folder (`results.csv`, `best.yaml`, the report) comes from them, but for
`study.log`, which is Optuna's. A line that is torn or foreign is passed over.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec

from etm_lightning.disk import LOCAL
from etm_lightning.process import Process
from etm_lightning.track.shipping.cursors import replace

STUDIES = ".sweeps"
State = Literal["waiting", "running", "finished", "pruned", "infeasible", "failed"]
OVER: tuple[State, ...] = ("finished", "pruned", "infeasible", "failed")
"""States that a trial does not leave. Infeasible: it did not fit into memory."""


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What `study.json` says; written once.

    `signature` is equal for equal searches, `groups` are the names of overrides that choose a file of a
    config group, `experiment` is how the command line names an experiment.
    """

    signature: str
    command: list[str]
    cwd: str
    project: str
    created: float
    space: dict[str, str]
    fixed: list[str]
    settings: dict[str, Any]
    monitor: str
    direction: str
    groups: list[str] = []
    experiment: str = "+experiment"


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


class Started(msgspec.Struct, frozen=True, tag="started", tag_field="e"):
    """A process of a trial began."""

    time: float
    number: int
    attempt: int
    host: str
    boot: str
    pid: int
    born: float
    devices: str = ""


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


Event = Began | Asked | Started | Told | Over
_decoder = msgspec.json.Decoder(Event)


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


def _follow(trial: Trial, event: Started | Told) -> None:
    if isinstance(event, Started):
        trial.state, trial.attempts, trial.devices = "running", event.attempt, event.devices
        trial.started = trial.started or event.time
        trial.process = Process(event.host, event.boot, event.pid, event.born)
    else:
        trial.state = event.state  # type: ignore[assignment]  # one of them, or a later version's
        trial.value, trial.reason, trial.run, trial.ended = event.value, event.reason, event.run, event.time


@dataclass(frozen=True)
class StudyFolder:
    """The folder of a study."""

    path: Path

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def about_file(self) -> Path:
        return self.path / "study.json"

    @property
    def events_file(self) -> Path:
        return self.path / "events.jsonl"

    @property
    def optuna_file(self) -> Path:
        return self.path / "study.log"

    @property
    def stop_file(self) -> Path:
        """Where another process says that the study is to stop: ``soon`` or ``now``."""
        return self.path / "stop"

    def trial(self, number: int) -> Path:
        """The folder with what belongs to a trial: its config, logs and results."""
        return self.path / "trials" / str(number)

    def about(self) -> About:
        """What the study is.

        Raises:
            FileNotFoundError: if this is not the folder of a study.
            ValueError: if the file is damaged.
        """
        try:
            return msgspec.json.decode(self.about_file.read_bytes(), type=About)
        except msgspec.DecodeError as error:
            raise ValueError(f"{self.about_file} is damaged: {error}") from error

    def describe(self, about: About) -> None:
        """Write down what the study is."""
        replace(self.about_file, msgspec.json.format(msgspec.json.encode(about)) + b"\n")

    def history(self) -> History:
        """What happened so far."""
        history = History()
        lines = self.events_file.read_bytes().split(b"\n") if self.events_file.exists() else []
        for line in lines:
            with contextlib.suppress(msgspec.DecodeError):
                history.apply(_decoder.decode(line))
        return history

    def take(self) -> Lock | None:
        """The right to control the study; None if somebody has it. It ends with the process."""
        return Lock.take(self.path / ".lock")

    def controlled(self) -> bool:
        """Whether a controller is at work."""
        return Lock.held(self.path / ".lock")


class Events:
    """The events of a study, as its controller writes them: each is on the disk before what follows it."""

    def __init__(self, folder: StudyFolder) -> None:
        self.history = folder.history()
        self._file = os.open(folder.events_file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        # what a torn last line would take with it begins on a line of its own
        os.write(self._file, b"\n" if folder.events_file.stat().st_size else b"")
        LOCAL.sync_folder(folder.path)

    def write(self, event: Event) -> None:
        """Append an event, durably.

        Raises:
            OSError: if the disk does not take it.
        """
        os.write(self._file, msgspec.json.encode(event) + b"\n")
        os.fsync(self._file)
        self.history.apply(event)

    def close(self) -> None:
        os.close(self._file)


class Lock:
    """A file that one process holds, with those it gave `descriptor` to, until the last of them is gone."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    @classmethod
    def take(cls, path: Path) -> Lock | None:
        """Hold `path`; None if somebody else does."""
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except OSError:  # a file system without locks: then two controllers can meet
            pass
        return cls(descriptor)

    @staticmethod
    def held(path: Path) -> bool:
        """Whether somebody holds `path`."""
        if not path.exists():
            return False
        lock = Lock.take(path)
        if lock is None:
            return True
        lock.release()
        return False

    def release(self) -> None:
        """Let go of it here; processes that have the descriptor go on holding it."""
        os.close(self.descriptor)


def studies(store: Path, project: str | None = None) -> list[StudyFolder]:
    """The studies of a store, newest first."""
    from etm_lightning.layout import project_folder

    parents = (
        [project_folder(store, project)] if project else [path for path in store.iterdir() if path.is_dir()]
    )
    found = [path.parent for parent in parents for path in (parent / STUDIES).glob("*/study.json")]
    return [StudyFolder(path) for path in sorted(found, key=lambda path: path.name, reverse=True)]


def find(store: Path, id: str) -> StudyFolder:
    """The study whose id holds `id`, or the newest one: ``latest``.

    Raises:
        LookupError: if there is none, or more than one.
    """
    known = studies(store)
    found = (
        known[:1]
        if id == "latest"
        else [one for one in known if one.id == id] or [one for one in known if id in one.id]
    )
    if len(found) == 1:
        return found[0]
    names = ", ".join(one.id for one in (found or known)[:5])
    what = f"is in the ids of {len(found)}: {names}" if found else f"is none; there are {names or 'none'}"
    raise LookupError(f"`study` must name one study of {str(store)!r} but {id!r} {what}")
