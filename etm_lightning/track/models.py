"""Which checkpoints of a model are artifacts."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from etm_lightning.track.run import Run


class Kept(NamedTuple):
    """What is known about a checkpoint when it is saved."""

    score: float | None
    monitor: str
    mode: str
    step: int
    epoch: int


class Models:
    """Records checkpoints as versions of the artifact ``model``.

    With ``log_model=True`` when the training ends, however it ends: those that ModelCheckpoint kept, the best
    and the last among them. With ``"all"``, or where it keeps every one, each when it is saved.

    Args:
        log_model: False for none.
    """

    def __init__(self, log_model: bool | Literal["all"]) -> None:
        self.log_model = log_model
        self._callbacks: list[Any] = []
        self._saved: dict[str, Kept] = {}
        self._recorded: dict[str, int] = {}

    def saved(self, run: Run, callback: Any, path: str, kept: Kept) -> None:
        """A ModelCheckpoint has saved a file."""
        if not self.log_model or not run.shows:
            return
        self._saved[os.path.realpath(path)] = kept
        if self.log_model == "all" or callback.save_top_k == -1:
            self._record(run, path, best=path == callback.best_model_path)
        elif all(known is not callback for known in self._callbacks):
            self._callbacks.append(callback)

    def ended(self, run: Run) -> None:
        """Training is over: record what has been kept and is not recorded yet, the newest last."""
        found: dict[str, bool] = {}
        for callback in self._callbacks:
            with contextlib.suppress(ReferenceError):  # the Trainer is gone, and its callbacks with it
                best = os.path.realpath(callback.best_model_path)
                kept = (*callback.best_k_models, callback.best_model_path, callback.last_model_path)
                paths = {os.path.realpath(path) for path in kept if path}
                found |= {path: path == best for path in paths if os.path.exists(path)}
        for path in sorted(found, key=os.path.getmtime):
            self._record(run, path, best=found[path])

    def _record(self, run: Run, path: str, *, best: bool) -> None:
        path = os.path.realpath(path)
        written = os.stat(path).st_mtime_ns
        if self._recorded.get(path) == written:
            return
        self._recorded[path] = written
        kept = self._saved.get(path)
        run.log_artifact(
            path,
            "model",
            "model",
            ("latest", "best") if best else ("latest",),
            info={**(kept._asdict() if kept else {}), "original_filename": os.path.basename(path)},
        )

    def __getstate__(self) -> dict[str, Any]:
        """Without the callbacks, which stay in their process."""
        return self.__dict__ | {"_callbacks": []}
