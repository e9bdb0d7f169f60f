"""The folder of a study: what it is, what happened, and where the rest lies.

`study.json` and `events.jsonl` are the truth. Whatever else is there comes from them, but for `study.log`,
which is Optuna's. A line of events that is torn or foreign is passed over.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from etm_lightning.disk import LOCAL
from etm_lightning.execute.lock import Lock
from etm_lightning.layout import project_folder
from etm_lightning.optimize.goal import Goal
from etm_lightning.optimize.history import Event, History, decode
from etm_lightning.track.shipping.cursors import replace

STUDIES = ".sweeps"


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What `study.json` says; written once.

    `signature` is equal for equal searches, `groups` are the names of overrides that choose a file of a
    config group, `experiment` is how the command line names an experiment. `objectives` has the direction of
    each where there are several; `monitor` and `direction` are the first one's.
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
    objectives: dict[str, str] = {}

    @property
    def goal(self) -> Goal:
        """What it is to make large or small."""
        known = self.objectives or {self.monitor: self.direction}
        return Goal(tuple(known), tuple(known.values()))


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

    def place(self, number: int, name: str = "") -> Path:
        """That of one of several runs of a trial: `name` tells its seed and fold."""
        return self.path / "trials" / (f"{number},{name}" if name else str(number))

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
                history.apply(decode(line))
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


def studies(store: Path, project: str | None = None) -> list[StudyFolder]:
    """The studies of a store, newest first."""
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
