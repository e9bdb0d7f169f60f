"""The checkpoints of a run, each put together from the records of one id."""

from __future__ import annotations

from dataclasses import dataclass, replace

from etm_lightning.records import Checkpoint, Saved
from etm_lightning.store.row import Monitor


@dataclass(frozen=True)
class CheckpointView:
    """A checkpoint: where and when it was taken, where it lies, how good it is; `best` holds for one at most.

    `path` is absolute or relative to the run's folder; `order` is the number of its mark among the facts of
    the run.
    """

    id: str
    step: int
    epoch: int | None
    time: float
    attempt: int
    path: str = ""
    monitor: str = ""
    mode: str = ""
    score: float | None = None
    best: bool = False
    order: int = -1

    def watched(self) -> Monitor | None:
        """What chose it; None if nothing was watched."""
        return Monitor(self.monitor, self.mode, self.score) if self.monitor else None


class Checkpoints:
    """Merges checkpoint records in the order of the run."""

    def __init__(self) -> None:
        self._views: dict[str, CheckpointView] = {}
        self._unmarked: set[str] = set()
        self._best = self._best_monitor = ""

    def take(self, order: int, record: Checkpoint | Saved, attempt: int, counts: bool) -> None:
        """Add what `record` says.

        A checkpoint is there if its mark counts. What was noted about it later counts too, even when the
        attempt was cut right behind the mark: it describes the checkpoint, not the training that went on.
        """
        if record.id not in self._views:
            if not counts:
                return
            where = record.path, record.monitor, record.mode, record.score
            self._views[record.id] = CheckpointView(
                record.id, record.step, record.epoch, record.time, attempt, *where, order=order
            )
        else:
            view = self._views[record.id]
            marked = record.id in self._unmarked and not isinstance(record, Saved)
            self._views[record.id] = replace(
                view,
                path=record.path or view.path,
                monitor=record.monitor or view.monitor,
                mode=record.mode or view.mode,
                score=view.score if record.score is None else record.score,
                order=order if marked else view.order,
            )
        if isinstance(record, Saved):
            self._unmarked.add(record.id)
        else:
            self._unmarked.discard(record.id)
        # a callback that watches nothing calls its last checkpoint the best: it yields to one that does
        if record.best and (record.monitor or not self._best_monitor):
            self._best, self._best_monitor = record.id, record.monitor

    def views(self) -> list[CheckpointView]:
        """All checkpoints in the order in which they were taken."""
        views = self._views.values()
        return [replace(view, best=True) if view.id == self._best else view for view in views]
