"""Reading a run for its digest: of an undisturbed one only what is not a value."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from etm_lightning.headline import Headline, as_json
from etm_lightning.layout import RunFolder
from etm_lightning.reading import writers
from etm_lightning.records import (
    Alert,
    Checkpoint,
    Edit,
    Header,
    Params,
    Record,
    Saved,
    Scalars,
    Started,
)
from etm_lightning.store.checkpoints import Checkpoints
from etm_lightning.store.digest import Digest, Life, code_of, data_of
from etm_lightning.store.edits import apply
from etm_lightning.store.history import merge
from etm_lightning.store.scan import NotPlainError, Scanned, scan
from etm_lightning.store.state import Trace, state


def digest(folder: RunFolder, *, now: float | None = None) -> Digest:
    """Read a run: of an undisturbed one of one attempt only what is not a value, else all of it.

    Args:
        folder: the run's folder.
        now: how it stands then, in Unix seconds; by default at this moment.
    """
    now = time.time() if now is None else now
    try:
        return _Plain(folder).digest(now)
    except (NotPlainError, OSError, ValueError):
        return _whole(folder, now)


def _whole(folder: RunFolder, now: float) -> Digest:
    from etm_lightning.store.run import StoredRun  # most runs need none

    run = StoredRun(folder)
    history = run._history
    return Digest(
        identity=run.identity,
        edited=run._edited,
        state=state(history.traces, touched=history.touched, now=now),
        config=run.params,
        headline=as_json(run.headline),
        stages={name: run.metrics[name].stage for name in run.headline},
        best=run.best_checkpoint,
        code=code_of(run.info("start")),
        data=data_of(run.info("data")),
        alerts=len(run.alerts),
        damage=len(run.damage),
        lives=[_life(trace) for trace in history.traces],
        touched=history.touched,
    )


def _life(trace: Trace) -> Life:
    return Life(trace.header, trace.first, trace.last, trace.ended, trace.asked)


@dataclass
class _Found:
    """What the records of all writers come to."""

    about: dict[str, dict[str, Any]] = field(default_factory=dict)
    checkpoints: Checkpoints = field(default_factory=Checkpoints)
    alerts: int = 0

    def take(self, order: int, item: Record, attempt: int) -> None:
        if isinstance(item, Params):
            self.about[item.about] = merge(self.about.get(item.about, {}), item.params)
        elif isinstance(item, Started):
            self.about["start"] = {**self.about.get("start", {}), **item.info}
        elif isinstance(item, Checkpoint | Saved):
            self.checkpoints.take(order, item, attempt, True)
        elif isinstance(item, Alert):
            self.alerts += 1


class _Plain:
    """A run of one attempt whose files are whole."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._identity = folder.identity()
        self.touched, names = _files(folder.journal)
        segments = writers(folder.journal).values()
        if len(names) != sum(map(len, segments)):
            raise NotPlainError("other files than segments")
        self._scanned = sorted(map(scan, segments), key=_order)
        _one_attempt([scanned.trace.header for scanned in self._scanned])

    def digest(self, now: float) -> Digest:
        found = _Found()
        edits: list[Edit] = []
        for scanned in self._scanned:
            attempt = scanned.trace.header.attempt
            for order, item in scanned.records.items():
                if isinstance(item, Edit):
                    edits.append(item)
                else:
                    found.take(order, item, attempt)
        headline, stages = _headline(self._scanned)
        traces = [scanned.trace for scanned in self._scanned]
        return Digest(
            identity=self._identity,
            edited=apply(self._identity, sorted(edits, key=lambda edit: edit.time)),
            state=state(traces, touched=self.touched, now=now),
            config=found.about.get("config", {}),
            headline=headline,
            stages=stages,
            best=next((view for view in found.checkpoints.views() if view.best), None),
            code=code_of(found.about.get("start", {})),
            data=data_of(found.about.get("data", {})),
            alerts=found.alerts,
            damage=0,
            lives=[_life(trace) for trace in traces],
            touched=self.touched,
        )


def _files(journal: Path) -> tuple[float, list[str]]:
    """When the newest file was modified, and the names of all."""
    with os.scandir(journal) as entries:
        found = [(entry.name, entry.stat().st_mtime) for entry in entries]
    return max((time for _, time in found), default=0.0), [name for name, _ in found]


def _order(scanned: Scanned) -> tuple[int, int, float]:
    """As `find_writers` sorts."""
    header = scanned.trace.header
    return header.attempt, header.rank, header.time


def _one_attempt(headers: list[Header]) -> None:
    attempts = {header.attempt for header in headers if header.attempt}
    leading = [header for header in headers if header.role == "train" and not header.rank]
    others = {header.role for header in headers} - {"train", "shipper", "edits"}
    if len(attempts) != 1 or len(leading) != 1 or others:
        raise NotPlainError("several attempts, or writers whose order matters")


def _headline(scanned: list[Scanned]) -> tuple[dict[str, float | str], dict[str, str]]:
    """The headline as the training left it at its end; without that, from its values."""
    leading = next(one for one in scanned if one.trace.header.role == "train" and not one.trace.header.rank)
    if leading.told:
        return leading.told.summary, leading.told.stages
    found = Headline()
    for record in leading.all():
        if not (isinstance(record, Scalars) and record.axis == "seconds"):
            found.take(record)
    return as_json(found.values()), found.stages()
