"""Studies of `train.py`: pruned on two ranks, gone on with after a crash, as one group."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from etm_lightning.optimize.folder import StudyFolder, studies
from tests import warm
from tests.execute.test_command_line import MINE, ROOT, environment, runs


def sweep(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [warm.python(), str(ROOT / "train.py"), "-m", *MINE, "test=false", *arguments],
        cwd=folder,
        env=environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
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
