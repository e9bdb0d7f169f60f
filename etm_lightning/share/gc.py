"""Making room in a store: what may go or shrink, by rule, and doing it."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from etm_lightning.attempts import Writer, find_writers
from etm_lightning.column_writer import RefusedError
from etm_lightning.columns import SUFFIX
from etm_lightning.layout import RunFolder
from etm_lightning.packing import pack
from etm_lightning.store.run import StoredRun
from etm_lightning.store.store import Store
from etm_lightning.track.shipping.configured import ABOUT
from etm_lightning.track.shipping.cursors import Lease
from etm_lightning.track.shipping.delivery import lag

Kind = Literal["columns", "cache", "trash", "checkpoints", "left"]
ORDER: tuple[Kind, ...] = ("left", "columns", "cache", "trash", "checkpoints")
"""In this order, what loses nothing first."""

DAY = 86400.0
GONE_AFTER = 7 * DAY
"""Seconds without a write after which a process that cannot be seen from here counts as gone for good."""
SMALL = 4096
"""Bytes of a segment that columns would not make smaller."""
_RESUMABLE = ("crashed", "failed", "interrupted", "preempted")


@dataclass(frozen=True)
class Rules:
    """What may be done.

    Attributes:
        columns: finished segments become columns; nothing is lost.
        cache: derived files go; they come back when they are needed.
        trash_days: runs that are in the trash for so many days are deleted; None keeps them.
        checkpoints: in each group so many of the best runs keep their checkpoints, other finished runs do
            not; None keeps all.
        budget: bytes that the store may have: no more is done than it takes; None does all.
    """

    columns: bool = True
    cache: bool = False
    trash_days: float | None = 30.0
    checkpoints: int | None = None
    budget: int | None = None


@dataclass(frozen=True)
class Step:
    """One thing to do: to which run, with which file or folder, about how many bytes it frees, and why."""

    kind: Kind
    run: str
    path: Path
    frees: int
    why: str


@dataclass(frozen=True)
class Kept:
    """What could shrink or go, and why it does not."""

    run: str
    path: Path
    why: str


@dataclass(frozen=True)
class Plan:
    """What would be done, what would not, and how many bytes the store has."""

    steps: tuple[Step, ...]
    kept: tuple[Kept, ...]
    size: int

    def told(self) -> Iterator[Step | Kept]:
        """All of it, one after the other."""
        yield from self.steps
        yield from self.kept


def plan(store: Store, rules: Rules, *, project: str | None = None) -> Plan:
    """What `rules` come to now; nothing is changed. Runs that are running are left alone.

    Raises:
        ValueError: if a rule is a number that cannot be.
    """
    _check(rules)
    runs = [*store.runs(project=project, archived=True), *store.runs(project=project, trashed=True)]
    steps: list[Step] = []
    kept: list[Kept] = []
    losers = _losers(runs, rules.checkpoints)
    for run in runs:
        try:
            found = list(_of_run(run, rules, run.id in losers))
        except OSError as error:  # of another user, say
            why = f"a file cannot be read: {error.strerror or error}"
            found = [Kept(run.id, Path(error.filename or run.folder.path), why)]
        steps += [one for one in found if isinstance(one, Step)]
        kept += [one for one in found if isinstance(one, Kept)]
    if project is None:
        steps += _left(store.path)
    steps.sort(key=lambda step: ORDER.index(step.kind))
    size = size_of(store.path)
    if rules.budget is not None:
        steps = _enough(steps, size - rules.budget)
    return Plan(tuple(steps), tuple(kept), size)


def carry_out(found: Plan) -> Iterator[Step | Kept]:
    """Do it, step by step: each with what it freed, or why it was left; then all that was to stay."""
    for step in found.steps:
        try:
            yield replace(step, frees=_done(step))
        except (RefusedError, OSError) as error:
            yield Kept(step.run, step.path, str(error))
    yield from found.kept


def size_of(path: Path) -> int:
    """The bytes of all files below a folder, or of a file."""
    if not path.is_dir() or path.is_symlink():
        with contextlib.suppress(OSError):
            return path.lstat().st_size
        return 0
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            with contextlib.suppress(OSError):  # went away since it was listed
                total += os.lstat(os.path.join(folder, name)).st_size
    return total


def parse_size(text: str) -> int:
    """A number of bytes, with a unit or without.

    Raises:
        ValueError: if it is none.

    >>> parse_size("1.5 GB"), parse_size("200k"), parse_size("1GiB")
    (1500000000, 200000, 1073741824)
    """
    match = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*([kmgt]?)(i?)b?\s*", text, re.IGNORECASE)
    if match is None:
        raise ValueError(f"`budget` must be a size such as 20GB or 500M but got {text!r}")
    power = " kmgt".index(match[2].lower() or " ")
    return int(float(match[1]) * (1024 if match[3] else 1000) ** power)


def _check(rules: Rules) -> None:
    for name in ("trash_days", "checkpoints", "budget"):
        value = getattr(rules, name)
        if value is not None and value < 0:
            raise ValueError(f"`{name}` must not be negative but got {value}")


def _enough(steps: list[Step], wanted: int) -> list[Step]:
    """As many of the first steps as free so many bytes."""
    found: list[Step] = []
    for step in steps:
        if wanted <= 0:
            break
        found.append(step)
        wanted -= step.frees
    return found


def _of_run(run: StoredRun, rules: Rules, loser: bool) -> Iterator[Step | Kept]:
    writers = find_writers(run.folder.journal)
    if run.status == "running" or _live(writers):
        return
    if rules.trash_days is not None and run.trashed:
        since = max((edit.time for edit in run.edits if edit.op == "trash"), default=time.time())
        if time.time() - since >= rules.trash_days * DAY:
            why = f"in the trash for {(time.time() - since) / DAY:.0f} days"
            yield Step("trash", run.id, run.folder.path, size_of(run.folder.path), why)
            return
    if rules.columns:
        yield from _columns(run, writers)
    if rules.cache and (size := size_of(run.folder.cache)):
        yield Step("cache", run.id, run.folder.cache, size, "it comes back when it is needed")
    if loser and (size := size_of(run.folder.checkpoints)):
        yield Step("checkpoints", run.id, run.folder.checkpoints, size, "others of its group are better")


def _live(writers: Iterable[Writer]) -> bool:
    """Whether a process works for the run; one that only changed its name or tags does not."""
    return any(writer.header.role != "edits" and writer.alive() for writer in writers)


def _columns(run: StoredRun, writers: Iterable[Writer]) -> Iterator[Step | Kept]:
    segments = [
        (writer, path)
        for writer in writers
        for path in writer.segments
        if writer.header.role != "edits" and path.suffix != SUFFIX and size_of(path) >= SMALL
    ]
    if not segments:
        return
    behind = _behind(run)
    for writer, path in segments:
        if behind:
            yield Kept(run.id, path, f"{behind} has not got all of it: etm sync {run.id}")
        elif find_spec("pyarrow") is None:
            yield Kept(run.id, path, "columns need pyarrow: pip install 'etm-lightning[store]'")
        elif not finished(writer):
            who = f"process {writer.header.pid} on {writer.header.host}"
            yield Kept(run.id, path, f"{who} cannot be seen from here")
        else:
            size = size_of(path)
            yield Step("columns", run.id, path, size - size // 8 - SMALL // 2, "finished")


def finished(writer: Writer) -> bool:
    """Whether nobody writes its segments any more."""
    alive = writer.alive()
    if alive is not None:
        return not alive
    newest = max((path.stat().st_mtime for path in writer.segments if path.exists()), default=0.0)
    return time.time() - newest > GONE_AFTER


def _behind(run: StoredRun) -> str:
    """A sink that was asked for and has not got all yet, or gets it just now; empty if there is none."""
    for name in run.info(ABOUT):
        if Lease(run.folder, name).holder() or lag(run.folder, name, 1):
            return name
    return ""


def _losers(runs: Iterable[StoredRun], keep: int | None) -> set[str]:
    """Ids of the finished runs whose group has at least so many better ones."""
    if keep is None:
        return set()
    groups: dict[tuple[str, str, str, str], list[tuple[float, str]]] = defaultdict(list)
    for run in runs:
        best = run.best_checkpoint
        known = best is not None and best.score is not None and best.mode in ("min", "max")
        if not (run.group and known) or run.trashed or run.status in _RESUMABLE:
            continue
        assert best is not None
        assert best.score is not None
        score = best.score if best.mode == "min" else -best.score
        groups[run.project, run.group, best.monitor, best.mode].append((score, run.id))
    return {id for ranked in groups.values() for _, id in sorted(ranked)[keep:]}


def _left(store: Path) -> Iterator[Step]:
    """What a deletion or a compaction that was broken off has left."""
    for path in [*store.glob("*/.gone-*"), *store.glob("*/*/.gone-*"), *store.glob("*/*/journal/.*.tmp")]:
        with contextlib.suppress(OSError):
            if time.time() - path.lstat().st_mtime > DAY:
                yield Step("left", "", path, size_of(path), "left by one that was broken off")


def _done(step: Step) -> int:
    """Do it, and return the bytes that it freed.

    Raises:
        RefusedError: if things are not any more as they were when it was planned.
        OSError: if the file system refuses.
    """
    if step.kind == "left":
        return _removed(step.path)
    folder = step.path.parents[1] if step.kind == "columns" else step.path
    run = StoredRun(RunFolder(folder if step.kind in ("columns", "trash") else folder.parent))
    if _live(find_writers(run.folder.journal)):
        raise RefusedError("it is running")
    if step.kind == "columns":
        if behind := _behind(run):
            raise RefusedError(f"{behind} has not got all of it")
        return pack(step.path)
    if step.kind == "trash" and not run.trashed:
        raise RefusedError("it was taken out of the trash")
    return _removed(step.path)


def _removed(path: Path) -> int:
    """Remove a file or a folder, which gets a hidden name first: nobody takes half of it for whole."""
    size = size_of(path)
    if not path.is_dir() or path.is_symlink():
        path.unlink(missing_ok=True)
        return size
    gone = path
    if not path.name.startswith(".gone-"):
        gone = path.with_name(f".gone-{secrets.token_hex(4)}-{path.name}")
        os.replace(path, gone)
    shutil.rmtree(gone)
    return size
