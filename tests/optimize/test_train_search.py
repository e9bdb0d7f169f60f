"""Studies of `train.py`: pruned on two ranks, gone on with after a crash, as one group."""

from __future__ import annotations

import csv
import os
import signal
import statistics
import subprocess
import time
from pathlib import Path

import pytest

from etm_lightning.evaluate.leaderboard import leaderboard
from etm_lightning.optimize.folder import StudyFolder, studies
from etm_lightning.store.store import Store
from tests import warm
from tests.contracts import memory
from tests.execute.test_command_line import MINE, ROOT, environment, runs
from tests.optimize.test_search import wait


def sweep(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [warm.python(), str(ROOT / "train.py"), "-m", *MINE, "test=false", *arguments],
        cwd=folder,
        env=environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def typed(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [warm.python(), str(ROOT / "train.py"), *MINE, *arguments],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def the_study(folder: Path) -> StudyFolder:
    (found,) = studies(folder / "etm_runs")
    return found


def test_two_ranks_that_cannot_win_are_pruned_together(tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    process = sweep(
        tmp_path,
        *("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2", "max_epochs=50", "lr=0.1"),
        *("+model.spoil=true", "+model.pause=0.2", "search.pruner={name: patience, patience: 0}"),
    )
    stdout, stderr = process.communicate(timeout=200)
    assert process.returncode == 0, stderr
    (run,) = runs(tmp_path)
    values = [point.value for point in run.series("val/loss")]
    assert (run.status, run.reason) == ("pruned", "the search saw that it would not be the best")
    assert 2 <= len(values) < 50
    folder = the_study(tmp_path)
    assert run.group == folder.id
    with (folder.path / "results.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert (row["state"], row["run"]) == ("pruned", run.id)
    assert float(row["val/loss"]) == pytest.approx(min(values))
    assert "1 pruned" in stdout


def test_a_trial_reaches_its_sinks_and_is_sampled_while_it_runs(tmp_path: Path) -> None:
    process = sweep(
        tmp_path,
        *("max_epochs=5000", "+model.pause=0.1", "trainer.log_every_n_steps=1", "lr=0.1,0.2"),
        f"+logger.memory.sink={memory.SPEC}",
    )
    try:
        found = (tmp_path / "etm_runs" / "default").glob
        wait(lambda: any(found("*/memory-0.jsonl")), 100)
        wait(lambda: any("system/memory_gb" in run.metrics for run in runs(tmp_path)), 100)
        assert process.poll() is None
    finally:
        for _ in range(2):
            process.send_signal(signal.SIGINT)
            time.sleep(0.5)
        process.communicate(timeout=100)
    (run,) = runs(tmp_path)
    steps = [point.step for point in run.series("train/loss")]
    assert [step for step, _ in memory.kept(run.folder)["train/loss"]] == steps


def test_a_trial_whose_process_dies_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    process = sweep(
        tmp_path,
        "max_epochs=6",
        "+model.pause=0.15",
        "trainer.log_every_n_steps=1",
        "lr=0.1,0.2",
        "search.n_trials=1",
    )
    deadline = time.monotonic() + 100
    while not any((tmp_path / "etm_runs" / "default").glob("*/checkpoints/last.ckpt")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    trial = the_study(tmp_path).history().trials[0].replicates[0]
    assert trial.process is not None
    os.kill(trial.process.pid, signal.SIGKILL)
    _, stderr = process.communicate(timeout=200)
    assert process.returncode == 0, stderr
    assert "signal SIGKILL; it is started again" in stderr
    (run,) = runs(tmp_path)
    assert (run.status, run.attempts) == ("finished", 2)
    steps = [point.step for point in run.series("train/loss")]
    assert steps == sorted(set(steps))
    assert len(steps) == 24
    assert the_study(tmp_path).history().trials[0].attempts == 2


def test_folds_without_a_search_are_a_cross_validation_with_its_summary(tmp_path: Path) -> None:
    refused = typed(tmp_path, "search.folds=3")
    assert refused.returncode == 1
    assert "tests.execute.small.Data does not take fold and folds; docs/folds.md" in refused.stderr
    done = typed(tmp_path, "data._target_=tests.execute.small.Folded", "search.folds=3", "project=crossed")
    assert done.returncode == 0, done.stderr
    found = Store(tmp_path / "etm_runs").runs(project="crossed")
    (folder,) = studies(tmp_path / "etm_runs", "crossed")
    assert {run.group for run in found} == {folder.id}
    assert sorted(run.params["fold"] for run in found) == [0, 1, 2]
    assert len(list((tmp_path / "etm_runs" / "crossed").iterdir())) == 3 + 1, "no run is left that was none"
    (row,) = leaderboard(found).rows
    scores = [best.score for run in found if (best := run.best_checkpoint) and best.score is not None]
    assert (row.score.n, row.flags) == (3, ())
    assert row.score.mean == pytest.approx(statistics.mean(scores))
    assert row.score.sd == pytest.approx(statistics.stdev(scores))
    heads, *rows = [line.split() for line in done.stdout.splitlines() if line[:4] in ("fold", "0   ", "mean")]
    assert heads[:2] == ["fold", "val/loss"]
    assert [float(rows[-1][3]), float(rows[-1][5])] == pytest.approx([row.score.mean, row.score.sd], rel=0.06)
    tested = [run for run in found if any(metric.stage == "test" for metric in run.metrics.values())]
    assert len(tested) == 1, "the best of them alone met the test rows"


def test_losers_lose_their_checkpoints_and_the_best_has_a_link(tmp_path: Path) -> None:
    process = sweep(tmp_path, "lr=0.3,0.0,0.1", "search.keep_checkpoints=1", "max_epochs=1")
    _, stderr = process.communicate(timeout=200)
    assert process.returncode == 0, stderr
    folder = the_study(tmp_path)
    ranked = folder.history().ranked("minimize")
    kept = {run.id: len(list(run.folder.checkpoints.glob("*.ckpt"))) for run in runs(tmp_path)}
    assert [kept[trial.run] > 0 for trial in ranked] == [True, False, False]
    link = folder.path / "best.ckpt"
    assert not os.path.isabs(os.readlink(link))
    assert link.resolve().parent.parent.name == ranked[0].run


def test_objectives_are_those_of_the_best_checkpoint(tmp_path: Path) -> None:
    process = sweep(
        tmp_path, "+model.hidden=2,64", "search.objective={val/loss: minimize, params: minimize}", "lr=0.01"
    )
    _, stderr = process.communicate(timeout=200)
    assert process.returncode == 0, stderr
    folder = the_study(tmp_path)
    for trial, run in zip(
        folder.history().trials.values(), sorted(runs(tmp_path), key=lambda run: run.created), strict=True
    ):
        hidden = int(trial.params["+model.hidden"])
        assert run.best_checkpoint is not None
        assert trial.value == pytest.approx(run.best_checkpoint.score)
        assert trial.values[1] == 4 * hidden + 1
    process = sweep(tmp_path, "lr=0.1", "search.objective={val/los: minimize}", "max_epochs=1")
    _, stderr = process.communicate(timeout=200)
    assert "did you mean `val/loss`?" in stderr
