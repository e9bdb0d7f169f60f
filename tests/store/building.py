"""Stores for the tests, written record by record."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from etm_lightning.journal import Journal
from etm_lightning.layout import Identity, RunFolder, project_folder
from etm_lightning.records import Checkpoint, Ended, Known, Params, Scalars, Started, Status, split

BASE = 1_700_000_000.0


class Training:
    """Writes a run as a training would, one record per second."""

    def __init__(
        self, store: Path, id: str = "20231114-221320-run-0001", project: str = "p", **identity: Any
    ) -> None:
        self.folder = RunFolder(project_folder(store, project) / id)
        self.folder.create(Identity(id=id, project=project, **{"created": BASE, **identity}))
        self.seconds = itertools.count()
        self.attempt = 0

    def start(self, *, parent: int | None = None, checkpoint: str | None = None, rank: int = 0) -> Training:
        self.attempt += 1
        self.journal = self.open(rank=rank)
        self.write(Started(time=self.now(), attempt=self.attempt, parent=parent, checkpoint=checkpoint))
        return self

    def open(self, *, rank: int = 0, role: str = "train") -> Journal:
        return Journal(
            self.folder.journal,
            run=self.folder.path.name,
            attempt=self.attempt,
            rank=rank,
            role=role,
            clock=self.now,
        )

    def now(self) -> float:
        return BASE + next(self.seconds)

    def write(self, *records: Known) -> Training:
        for record in records:
            self.journal.append(record)
        return self

    def params(self, about: str = "config", **params: Any) -> Training:
        return self.write(Params(time=self.now(), params=params, about=about))

    def log(self, step: int, values: dict[str, float], stage: str = "train", **where: Any) -> Training:
        return self.write(scalars(self.now(), step, values, stage, **where))

    def checkpoint(self, id: str, step: int = 0, **known: Any) -> Training:
        return self.write(Checkpoint(time=self.now(), id=id, step=step, **known))

    def end(self, status: Status = "finished", **known: Any) -> Training:
        self.write(Ended(time=self.now(), status=status, **known))
        self.journal.close()
        return self


def scalars(time: float, step: int, values: dict[str, float], stage: str = "train", **where: Any) -> Scalars:
    finite, nonfinite = split(values)
    return Scalars(time=time, step=step, stage=stage, values=finite, nonfinite=nonfinite, **where)


def finished(
    store: Path,
    id: str,
    score: float,
    *,
    params: dict[str, Any] | None = None,
    mode: str = "max",
    status: Status = "finished",
    infos: Iterable[tuple[str, dict[str, Any]]] = (),
    **identity: Any,
) -> RunFolder:
    """A run with one validation and its checkpoint."""
    training = Training(store, id, **identity).start()
    if params is not None:
        training.write(Params(time=training.now(), params=params))
    for about, info in infos:
        training.write(Params(time=training.now(), params=info, about=about))
    training.log(1, {"train/loss": 1.0 - score}).log(2, {"val/f1": score}, "validate", epoch=0)
    training.checkpoint(f"{id}-best", 2, monitor="val/f1", mode=mode, score=score, best=True)
    return training.end(status).folder
