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
from etm_lightning.share import tables
from etm_lightning.share.report import write_report
from etm_lightning.store.run import StoredRun
from etm_lightning.store.store import Store


def finish(store: Store, project: str, group: str, folder: Path, *, tested: bool) -> Leaderboard:
    """Rank a group on validation, test the best run of the winning setting once, report.

    Args:
        store: where the runs are.
        project: their project.
        group: their group.
        folder: where the report goes.
        tested: whether to test the winner.
    """
    board = leaderboard(store.runs(project=project, group=group))
    if tested and board.winner is not None and not _was_tested(board.winner.best):
        hush()
        with _as_typed(board.winner.best):
            values = test(board.winner.best)
        if values:
            words = " · ".join(
                f"{name} {tables.number(value)}" for name, value in values.items() if "_" not in name
            )
            say(f"winner {board.winner.best.id}, chosen on validation, tested once: {words}")
        board = leaderboard(store.runs(project=project, group=group))
    if not quiet():
        tables.leaderboard(group, board)
    report = write_report(store.runs(project=project, group=group), folder / "report.html")
    say(f"report {near(report)} · again: etm leaderboard {group}")
    return board


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
