"""What follows a multirun: the winner meets the test split, and everybody sees the leaderboard."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

from etm_lightning.evaluate.leaderboard import Leaderboard, leaderboard
from etm_lightning.execute.progress import hush, near, say
from etm_lightning.execute.quiet import quiet
from etm_lightning.execute.train import test
from etm_lightning.optimize.folder import StudyFolder
from etm_lightning.share import tables
from etm_lightning.share.report import write_report
from etm_lightning.store.run import StoredRun
from etm_lightning.store.store import Store


def finish(
    store: Store, project: str, group: str, folder: Path, *, tested: bool, winner: str = ""
) -> Leaderboard:
    """Rank a group on validation, test the best run of the winning setting once, report.

    Args:
        store: where the runs are.
        project: their project.
        group: their group.
        folder: where the report goes.
        tested: whether to test the winner.
        winner: the id of the run that a study chose; by default the best run of the leaderboard's first row.
    """
    runs = store.runs(project=project, group=group)
    board = leaderboard(runs)
    best = next((run for run in runs if run.id == winner), board.winner.best if board.winner else None)
    if tested and best is not None and not _was_tested(best):
        hush()
        with _as_typed(best):
            values = test(best)
        if values:
            words = " · ".join(
                f"{name} {tables.number(value)}" for name, value in values.items() if "_" not in name
            )
            say(f"winner {best.id}, chosen on validation, tested once: {words}")
        board = leaderboard(store.runs(project=project, group=group))
    if not quiet():
        tables.leaderboard(group, board)
    report = write_report(store.runs(project=project, group=group), folder / "report.html")
    say(f"report {near(report)} · again: etm leaderboard {group}")
    return board


def winning_run(folder: StudyFolder) -> str:
    """The id of the run that a study chose to be tested; "" where its leaderboard decides.

    That knows nothing of confirmation, of runs that were given up, or of an objective other than `monitor`.
    """
    if not folder.about_file.exists():
        return ""
    about, history = folder.about(), folder.history()
    own = ("replicates", "seeds", "folds", "objective", "keep_checkpoints")
    if history.confirmed is None and not any(about.settings.get(name) for name in own):
        return ""
    trial = about.goal.winner(history)
    best = about.goal.best_run(trial) if trial else None
    return best.run if best else ""


@contextmanager
def _as_typed(run: StoredRun) -> Iterator[None]:
    """What is recorded of the run's command stays what its trial was started with."""
    kept = sorted(run.folder.hydra.glob("*/hydra.yaml"), key=lambda path: path.stat().st_mtime)
    before = HydraConfig.instance().cfg
    if kept:
        HydraConfig.instance().cfg = OmegaConf.load(kept[-1])  # type: ignore[assignment]  # a mapping it is
    try:
        yield
    finally:
        HydraConfig.instance().cfg = before


def _was_tested(run: StoredRun) -> bool:
    return any(metric.stage == "test" for metric in run.metrics.values())
