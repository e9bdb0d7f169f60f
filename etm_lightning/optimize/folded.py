"""The journal of Optuna's study with one entry for each trial.

Optuna copies a trial for every entry about it, but may be given the trial at once, as its `add_trial` enters
one. Whatever is not known here, of another version for instance, is left to Optuna, entry by entry.
"""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal

import msgspec

_RUNNING, _WAITING = _OPEN = 0, 4  # states as Optuna numbers them
_CHUNK = 1 << 20
_State = Literal[0, 1, 2, 3, 4]
_Study = Literal[0]
_Attr = Annotated[dict[str, Any], msgspec.Meta(min_length=1, max_length=1)]


class OddError(ValueError):
    """Something that Optuna may know what to do with."""


class Entry(msgspec.Struct, tag_field="op_code", forbid_unknown_fields=True, gc=False):
    """A line of the journal."""

    worker_id: str

    def enter(self, found: Folded) -> None:
        """Take it into account.

        Raises:
            OddError: if it does not fit what was there before.
        """
        if not found.study:
            raise OddError("no study")
        found.entries.append(msgspec.to_builtins(self))


class _StudyCreated(Entry, tag=0):
    study_name: str
    directions: list[int]

    def enter(self, found: Folded) -> None:
        found.study = found.study or self.study_name
        if self.study_name != found.study:
            raise OddError("several studies")
        super().enter(found)


class _StudyNoted(Entry, tag=2):
    study_id: _Study
    user_attr: _Attr


class _StudyNotedBySystem(Entry, tag=3):
    study_id: _Study
    system_attr: _Attr


class _Created(Entry, tag=4):
    study_id: _Study
    datetime_start: str | None
    datetime_complete: str | msgspec.UnsetType = msgspec.UNSET
    state: _State = 0
    value: Any = None
    values: Any = None
    distributions: dict[str, str] = {}
    params: dict[str, Any] = {}
    user_attrs: dict[str, Any] = {}
    system_attrs: dict[str, Any] = {}
    intermediate_values: dict[int, Any] = {}

    def enter(self, found: Folded) -> None:
        for name, distribution in self.distributions.items():
            found.same(name, distribution)
        super().enter(found)
        found.trials.append(found.entries[-1])


class _OnTrial(Entry):
    trial_id: Annotated[int, msgspec.Meta(ge=0)]

    def enter(self, found: Folded) -> None:
        if self.trial_id >= len(found.trials):
            raise OddError("no such trial")
        trial = found.trials[self.trial_id]
        if trial["state"] in _OPEN:  # what comes when it is over does not count
            self.change(trial, found)

    def change(self, trial: dict[str, Any], found: Folded) -> None:
        raise NotImplementedError


class _Drawn(_OnTrial, tag=5):
    param_name: str
    param_value_internal: Any
    distribution: str

    def change(self, trial: dict[str, Any], found: Folded) -> None:
        trial["distributions"][self.param_name] = found.same(self.param_name, self.distribution)
        trial["params"][self.param_name] = self.param_value_internal


class _Moved(_OnTrial, tag=6):
    state: _State
    values: Any
    datetime_start: str | msgspec.UnsetType = msgspec.UNSET
    datetime_complete: str | msgspec.UnsetType = msgspec.UNSET

    def change(self, trial: dict[str, Any], found: Folded) -> None:
        if self.state == trial["state"] == _RUNNING:  # somebody else took it
            return
        if self.state != _WAITING:
            name = "datetime_start" if self.state == _RUNNING else "datetime_complete"
            time = getattr(self, name)
            if time is msgspec.UNSET:
                raise OddError("no time")
            trial[name] = time
        trial["state"] = self.state
        if self.values is not None:
            trial["value"], trial["values"] = None, self.values


class _Reported(_OnTrial, tag=7):
    step: int
    intermediate_value: Any

    def change(self, trial: dict[str, Any], found: Folded) -> None:
        trial["intermediate_values"][self.step] = self.intermediate_value


class _Noted(_OnTrial, tag=8):
    user_attr: _Attr

    def change(self, trial: dict[str, Any], found: Folded) -> None:
        trial["user_attrs"] |= self.user_attr


class _NotedBySystem(_OnTrial, tag=9):
    system_attr: _Attr

    def change(self, trial: dict[str, Any], found: Folded) -> None:
        trial["system_attrs"] |= self.system_attr


_Known = (
    _StudyCreated
    | _StudyNoted
    | _StudyNotedBySystem
    | _Created
    | _Drawn
    | _Moved
    | _Reported
    | _Noted
    | _NotedBySystem
)
_decoder = msgspec.json.Decoder(_Known)


class Folded:
    """Entries, of which those of one trial became one."""

    def __init__(self) -> None:
        self.entries: deque[dict[str, Any]] = deque()
        self.trials: list[dict[str, Any]] = []
        self.study = ""
        self._distributions: dict[str, str] = {}

    def same(self, name: str, distribution: str) -> str:
        """A distribution, which is kept once.

        Raises:
            OddError: if there was another one of this name: Optuna may pass over the value.
        """
        known = self._distributions.setdefault(name, distribution)
        if known != distribution:
            raise OddError(f"several distributions of {name}")
        return known


def folded(file: Path, end: int | None = None) -> tuple[deque[dict[str, Any]], int]:
    """What the whole lines of a journal come to, and where they end: at byte 0 if that is Optuna's to say.

    Args:
        file: the journal.
        end: of the lines to take; all by default.
    """
    found = Folded()
    with file.open("rb") as opened:
        try:
            for entry in _read(opened, end):
                entry.enter(found)
        except ValueError:
            return deque(), 0
        return found.entries, opened.tell()


def _read(file: BinaryIO, end: int | None) -> Iterator[Entry]:
    """The entries of the lines; afterwards the file is at the end of the last whole one."""
    while data := file.read(_CHUNK if end is None else min(_CHUNK, end - file.tell())):
        whole = data.rfind(b"\n") + 1
        file.seek(whole - len(data), os.SEEK_CUR)
        if not whole:
            return
        try:
            yield from _decoder.decode_lines(data[:whole])
        except msgspec.DecodeError:  # NaN is no JSON, but Python's
            yield from map(_decoded, data[:whole].splitlines())


def _decoded(line: bytes) -> Entry:
    try:
        found: Entry = _decoder.decode(line)
    except msgspec.DecodeError:
        found = msgspec.convert(json.loads(line), _Known, str_keys=True)
    return found
