"""The checkpoints of a study's runs: a link to the best one, and the losers' deleted."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

from etm_lightning.layout import RunFolder
from etm_lightning.optimize.folder import StudyFolder
from etm_lightning.optimize.goal import Goal
from etm_lightning.optimize.history import History, Replicate, Trial
from etm_lightning.store.run import StoredRun
from etm_lightning.track.prune import RUN

LINK = "best.ckpt"


def run_of(folder: StudyFolder, trial: Trial, one: Replicate) -> StoredRun | None:
    """What a run of a trial recorded; None if it kept no journal."""
    file = folder.place(trial.number, one.name) / RUN
    if not file.exists():
        return None
    run = StoredRun(RunFolder(Path(file.read_text())))
    return run if run.folder.identity_file.exists() else None


def best_checkpoint(folder: StudyFolder, trial: Trial) -> Path | None:
    """The best checkpoint of a trial's best run, if it is there."""
    one = folder.about().goal.best_run(trial)
    run = run_of(folder, trial, one) if one else None
    best = run.best_checkpoint if run else None
    path = run.folder.path / best.path if run and best and best.path else None
    return path if path and path.exists() else None


def link_best(folder: StudyFolder, trial: Trial) -> None:
    """Make `best.ckpt` point to the best checkpoint of a trial, relative, so that a store can be moved."""
    path, link = best_checkpoint(folder, trial), folder.path / LINK
    new = folder.path / f".{LINK}"
    new.unlink(missing_ok=True)
    if path is None:
        link.unlink(missing_ok=True)
        return
    with contextlib.suppress(OSError):  # a file system without links
        new.symlink_to(os.path.relpath(path, folder.path))
        new.replace(link)


def losers(history: History, goal: Goal, keep: int) -> list[Trial]:
    """Trials that are over and lost: those that were pruned, and finished ones behind the best `keep`.

    Of several objectives the Pareto set stays. What failed stays too: somebody may go on with it by hand.
    """
    kept = goal.front(history.trials.values()) if goal.several else history.ranked(goal.direction)[:keep]
    stay = {trial.number for trial in kept} | {
        trial.number for trial in history.trials.values() if trial.fresh
    }
    return [
        trial
        for trial in history.trials.values()
        if trial.state in ("finished", "pruned") and trial.number not in stay
    ]


class Keeper:
    """Deletes the checkpoints of losers as they lose.

    Args:
        folder: of the study.
        goal: what is better.
        keep: of how many of the best trials checkpoints stay; None for all.
    """

    def __init__(self, folder: StudyFolder, goal: Goal, keep: int | None) -> None:
        self._folder, self._goal, self._keep = folder, goal, keep
        self._dropped: set[int] = set()

    def look(self, history: History) -> None:
        """Delete what is to go now."""
        if self._keep is None:
            return
        for trial in losers(history, self._goal, self._keep):
            if trial.number not in self._dropped:
                self._dropped.add(trial.number)
                drop(self._folder, trial)


def drop(folder: StudyFolder, trial: Trial) -> None:
    """Delete the checkpoints in the folders of a trial's runs.

    A run that is not over keeps its own: the same command goes on from them.
    """
    for one in trial.searched:
        file = folder.place(trial.number, one.name) / RUN
        if not one.over or not file.exists():
            continue
        run = RunFolder(Path(file.read_text()))
        if run.identity_file.exists():
            for path in sorted(run.checkpoints.glob("**/*.ckpt")):
                _delete(path)


def _delete(path: Path) -> None:
    """Delete a file, or the folder that a sharded checkpoint is."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
