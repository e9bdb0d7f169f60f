"""What is kept of a run so that lists need not read its journal again."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from etm_lightning.headline import Headline, as_json
from etm_lightning.layout import Identity, RunFolder
from etm_lightning.params import experiment_fingerprint, flatten
from etm_lightning.reading import writers
from etm_lightning.records import (
    Alert,
    Checkpoint,
    Edit,
    Ended,
    Header,
    Params,
    Record,
    Saved,
    Scalars,
    Started,
)
from etm_lightning.store.checkpoints import Checkpoints, CheckpointView
from etm_lightning.store.edits import Edited, apply
from etm_lightning.store.history import merge
from etm_lightning.store.row import Row
from etm_lightning.store.scan import NotPlainError, Scanned, scan
from etm_lightning.store.state import State, Trace, state


class Life(msgspec.Struct, frozen=True):
    """What one writer's records say about its life: a `Trace` that can be kept."""

    header: Header
    first: float
    last: float
    ended: Ended | None
    asked: bool

    def trace(self) -> Trace:
        """The `Trace` that this was."""
        trace = Trace(self.header)
        trace.first, trace.last, trace.ended, trace.asked = self.first, self.last, self.ended, self.asked
        return trace


class Digest(msgspec.Struct, frozen=True, kw_only=True):
    """A run without its points.

    `config` are its settings, `headline` its values at the best checkpoint and `stages` where they were
    measured, `code` and `data` the versions of code and data, `lives` what its writers say of their lives.
    """

    identity: Identity
    edited: Edited
    state: State
    config: dict[str, Any]
    headline: dict[str, float | str]
    stages: dict[str, str]
    best: CheckpointView | None
    code: dict[str, Any]
    data: dict[str, Any]
    alerts: int
    damage: int
    lives: list[Life]
    touched: float

    def now(self, touched: float) -> State:
        """How the run stands now, if its files say what they said."""
        return state([life.trace() for life in self.lives], touched=touched, now=time.time())

    def row(self, key: str, project: str, id: str) -> Row:
        """What a list says about the run."""
        one, edited, state = self.identity, self.edited, self.state
        return Row(
            key=key,
            project=project,
            id=id,
            name=edited.name,
            group=edited.group,
            status=state.status,
            reason=state.reason,
            created=one.created,
            started=state.started,
            ended=state.ended,
            duration=state.duration,
            attempts=state.attempts,
            tags=edited.tags,
            notes=edited.notes,
            archived=edited.archived,
            trashed=edited.trashed,
            question=one.question,
            forked_from=one.forked_from,
            evaluates=one.evaluates,
            replicates=experiment_fingerprint(self.config),
            seed=self.config.get("seed"),
            params=flatten(self.config),
            metrics=self.headline,
            monitor=self.best.watched() if self.best else None,
            alerts=self.alerts,
            damage=self.damage,
        )


decoder = msgspec.json.Decoder(Digest)


def code_of(start: Mapping[str, Any]) -> dict[str, Any]:
    """The version of the code: what git said at the start, less where it came from."""
    git = start.get("git")
    known = git if isinstance(git, Mapping) else {}
    return {name: value for name, value in known.items() if name not in ("branch", "remote")}


def data_of(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The version of the data: the recorded facts about it that are hashes."""
    return {name: value for name, value in flatten(facts).items() if "hash" in name or "sha256" in name}


def digest(folder: RunFolder) -> Digest:
    """Read a run: of an undisturbed one of one attempt only what is not a value, else all of it."""
    try:
        return _Plain(folder).digest()
    except (NotPlainError, OSError, ValueError):
        return _whole(folder)


def _whole(folder: RunFolder) -> Digest:
    from etm_lightning.store.run import StoredRun

    run = StoredRun(folder)
    history = run._history
    return Digest(
        identity=run.identity,
        edited=run._edited,
        state=history.state,
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

    def digest(self) -> Digest:
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
            state=state(traces, touched=self.touched, now=time.time()),
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
