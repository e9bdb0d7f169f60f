"""How far a sink has come with a run, and who delivers to it: two small files in the run's folder."""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from etm_lightning.layout import RunFolder
from etm_lightning.process import Process, lives, this_process
from etm_lightning.reading import Cursor
from etm_lightning.records import Json

LEASE_SECONDS = 60.0


class Progress(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What ``cursors/<sink>.json`` says.

    Attributes:
        writers: by writer, the last record that the sink has safely.
        reaching: by writer, the last record that was on its way when this was written: the sink may have it.
        state: what the sink wants to know when it is opened again.
        generation: how often the sink was begun anew.
        superseded: the state of the generation before.
        error: why it does not get on; empty when it does.
        time: when this was written, in Unix seconds.
    """

    writers: dict[str, Cursor] = {}
    reaching: dict[str, Cursor] = {}
    state: dict[str, Json] = {}
    generation: int = 0
    superseded: dict[str, Json] = {}
    error: str = ""
    time: float = 0.0


def progress_file(folder: RunFolder, sink: str) -> Path:
    """Where the progress of a sink is kept."""
    return folder.cursors / f"{sink}.json"


def load(path: Path) -> Progress:
    """What is known of a sink's progress; none if there is no file or it cannot be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Progress)
    except (OSError, msgspec.DecodeError):  # then everything is delivered anew
        return Progress()


def store(path: Path, progress: Progress) -> None:
    """Replace the file by `progress`, whole or not at all."""
    replace(path, msgspec.json.encode(msgspec.structs.replace(progress, time=time.time())))


def replace(path: Path, content: bytes) -> None:
    """Replace a file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".{secrets.token_hex(8)}"
    try:
        temporary.write_bytes(content)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


class Holder(msgspec.Struct, frozen=True):
    """Who holds a lease, and until when (Unix seconds)."""

    host: str
    boot: str
    pid: int
    born: float
    token: str
    until: float


class Lease:
    """The right to deliver to one sink for one run: one process at a time has it.

    It ends when it is released, when its process is gone, or when it was not renewed in time. Whoever holds
    it asks `held` before it writes down what it has done.
    """

    def __init__(
        self,
        folder: RunFolder,
        sink: str,
        *,
        seconds: float = LEASE_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._path = folder.cursors / f"{sink}.lease"
        self._seconds, self._clock = seconds, clock
        self._token = secrets.token_hex(8)
        self._until = 0.0

    def take(self) -> bool:
        """Have the lease, or go on having it; False if somebody else has it."""
        if self._until - self._clock() > self._seconds / 2:
            return True
        holder = self._read()
        if holder is not None and holder.token == self._token:
            self._write(self._path)
            return True
        if holder is not None and self._valid(holder):
            return False
        return self._claim(holder)

    def held(self) -> bool:
        """Whether the file still names us."""
        holder = self._read()
        return holder is not None and holder.token == self._token

    def holder(self) -> Holder | None:
        """Who holds it now; None if nobody does."""
        holder = self._read()
        return holder if holder is not None and self._valid(holder) else None

    def release(self) -> None:
        """Let others have it."""
        self._until = 0.0
        if self.held():
            self._path.unlink(missing_ok=True)

    def _claim(self, stale: Holder | None) -> bool:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        aside = self._path.parent / f".{secrets.token_hex(8)}"
        if self._path.exists():
            with contextlib.suppress(FileNotFoundError):
                os.rename(self._path, aside)
                if self._read(aside) != stale:  # somebody was quicker, and this is theirs
                    os.rename(aside, self._path)
                    return False
                aside.unlink()
        self._write(aside)
        try:
            os.link(aside, self._path)
        except FileExistsError:
            return False
        except OSError:  # a file system without hard links
            os.rename(aside, self._path)
        finally:
            aside.unlink(missing_ok=True)
        return self.held()

    def _write(self, path: Path) -> None:
        me = this_process()
        self._until = self._clock() + self._seconds
        holder = Holder(me.host, me.boot, me.pid, me.born, self._token, self._until)
        replace(path, msgspec.json.encode(holder))

    def _read(self, path: Path | None = None) -> Holder | None:
        try:
            return msgspec.json.decode((path or self._path).read_bytes(), type=Holder)
        except (OSError, msgspec.DecodeError):
            return None

    def _valid(self, holder: Holder) -> bool:
        alive = lives(Process(holder.host, holder.boot, holder.pid, holder.born))
        return alive is not False and holder.until > self._clock()
