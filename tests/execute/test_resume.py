"""Going on with a run: `etm resume`, a scheduler's requeue, the last line of what did not end well."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from etm_lightning.execute.again import again
from etm_lightning.execute.configs import copy_to
from etm_lightning.layout import RunFolder
from etm_lightning.store.run import StoredRun
from etm_lightning.track.run import Run
from tests import warm
from tests.execute.test_command_line import MINE, ROOT, Type, environment, runs, started, typed, wait_for

__all__ = ["typed"]

SLOWLY = (*MINE, "max_epochs=4", "+model.pause=0.05", "trainer.log_every_n_steps=1")
SLURM = {
    "SLURM_JOB_ID": "4711",
    "SLURM_JOB_NAME": "bert",
    "SLURM_NTASKS": "1",
    "SLURM_NTASKS_PER_NODE": "1",
    "SLURM_PROCID": "0",
    "SLURM_LOCALID": "0",
    "SLURM_NODEID": "0",
}


def etm(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [warm.python(), "-m", "etm_lightning", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment(folder), capture_output=True, text=True, timeout=200, check=False
    )


def whole(run: StoredRun, attempts: int) -> None:
    """One run with one curve, and nothing beside it."""
    assert (run.status, run.attempts) == ("finished", attempts)
    steps = [point.step for point in run.series("train/loss")]
    assert steps == sorted(set(steps))
    assert len(steps) == 16
    assert (steps[0], steps[-1]) in ((0, 15), (0, 16))  # Lightning's clock skips a step saved within a batch
    assert [point.epoch for point in run.series("val/loss")] == [0, 1, 2, 3]
    assert {path.name for path in (run.folder.path / "hydra").iterdir()} == {
        str(number + 1) for number in range(attempts)
    }
    beside = {path.name for path in run.folder.path.parent.iterdir() if not path.name.startswith(".")}
    assert beside == {run.id}


def journal(run: StoredRun) -> list[str]:
    return [file.read_text() for file in run.folder.journal.iterdir()]


def test_a_job_that_slurm_requeues_goes_on_with_its_run(typed: Type, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    scontrol = tmp_path / "bin" / "scontrol"
    scontrol.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n')
    scontrol.chmod(0o755)
    here = SLURM | {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}

    first = started(tmp_path, *SLOWLY, **here)
    wait_for(first, "epoch 1")
    deadline = time.monotonic() + 30
    (run,) = runs(tmp_path)
    # behind the first batch of an epoch it would be saved with a step that Lightning (2.6) then counts twice
    while not any('"s":5,"e":1' in text for text in journal(run)):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(0.02)
    first.send_signal(signal.SIGUSR1)
    # it is written once the values of the checkpoint's batch are; the training goes on until SLURM kills it
    asked = tmp_path / "asked"
    while not (asked.exists() and any('"status":"preempted"' in text for text in journal(run))):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    warm.kill(first)
    (run,) = runs(tmp_path)
    assert asked.read_text() == "requeue 4711\n"
    assert run.status == "preempted"
    assert run.checkpoints[-1].path == "hpc_ckpt_1.ckpt"

    second = started(tmp_path, *SLOWLY, SLURM_RESTART_COUNT="1", **here)
    wait_for(second, "epoch")
    second.send_signal(signal.SIGTERM)
    second.wait(60)
    third = typed(*SLOWLY, SLURM_RESTART_COUNT="2", **here)
    assert third.returncode == 0, third.stderr
    (run,) = runs(tmp_path)
    slurm = run.info("start")["slurm"]
    assert (slurm["job_id"], slurm["restart_count"]) == ("4711", "2")
    whole(run, 3)
    other = typed(*MINE, "max_epochs=1", SLURM_RESTART_COUNT="2", **here)
    assert other.returncode == 0
    assert len(runs(tmp_path)) == 2, "its run has finished: the next command of the job is another one"


def test_etm_resume_goes_on_with_a_job_of_a_killed_multirun(tmp_path: Path) -> None:
    process = started(tmp_path, "-m", *SLOWLY, "seed=1,2", "hydra.verbose=false")
    deadline = time.monotonic() + 100
    while not (found := list(tmp_path.glob("etm_runs/default/*/checkpoints/last.ckpt"))):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    warm.kill(process)
    process.communicate()
    journal = next(found[0].parents[1].glob("journal/1-train-*"))
    os.kill(json.loads(journal.read_text().splitlines()[0])["pid"], signal.SIGKILL)
    while runs(tmp_path)[0].status == "running":
        time.sleep(0.01)
    (killed,) = runs(tmp_path)
    assert killed.status == "crashed"
    assert killed.group
    shown = etm(tmp_path, "resume", killed.id[-4:], "--dry-run")
    assert shown.returncode == 0, shown.stderr
    assert "seed=1" in shown.stdout
    assert "seed=1,2" not in shown.stdout
    assert "test=false" in shown.stdout
    done = etm(tmp_path, "resume", killed.id[-4:])
    assert done.returncode == 0, done.stderr
    (run,) = runs(tmp_path)
    assert (run.id, run.group) == (killed.id, killed.group)
    assert "test/loss" not in run.metrics
    whole(run, 2)
    again_ = etm(tmp_path, "resume", killed.id[-4:])
    assert again_.returncode == 1
    assert f"etm resume {killed.id[-4:]} max_epochs=8" in again_.stderr
    longer = etm(tmp_path, "resume", killed.id[-4:], "max_epochs=5")
    assert longer.returncode == 0, longer.stderr
    (run,) = runs(tmp_path)
    assert (run.id, run.attempts, run.status) == (killed.id, 3, "finished")
    assert [point.epoch for point in run.series("val/loss")][-1] == 4


def test_the_last_line_of_a_failure_says_what_to_do_and_it_does_it_where_the_project_was_moved(
    typed: Type, tmp_path: Path
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    copy_to(here)
    failed = typed(*SLOWLY, script=here / "train.py", cwd=here, FAIL_AT="6")
    assert failed.returncode == 1
    (run,) = runs(here)
    short = run.id[-4:]
    assert re.fullmatch(
        rf"run {short} failed: RuntimeError: planted failure · "
        rf"last checkpoint checkpoints/\S+\.ckpt \(step \d\) · go on: etm resume {short}",
        failed.stderr.splitlines()[-1],
    )
    assert failed.stderr.count("etm resume") == 1
    shutil.move(here, there)
    refused = etm(there, "resume", short)
    assert refused.returncode == 1
    assert "--cwd" in refused.stderr
    done = etm(there, "resume", short, "--cwd", ".")
    assert done.returncode == 0, done.stderr
    whole(runs(there)[0], 2)
    assert not here.exists()


def test_quiet_is_quiet_about_what_to_do(typed: Type) -> None:
    failed = typed(*SLOWLY, FAIL_AT="2", ETM_QUIET="1")
    assert failed.returncode == 1
    assert "planted failure" in failed.stderr
    assert "etm resume" not in failed.stderr


def test_ranks_that_torchrun_starts_share_one_folder(tmp_path: Path) -> None:
    launch = [warm.python(), "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    arguments = ["trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2", "max_epochs=1"]
    done = subprocess.run(
        [*launch, str(ROOT / "train.py"), *MINE[:2], *MINE[3:], *arguments],
        cwd=tmp_path,
        env=environment(tmp_path) | {"PYTHON_EXEC": sys.executable},  # ranks know each other by their parent
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    (run,) = runs(tmp_path)
    assert run.status == "finished"
    beside = [path.name for path in run.folder.path.parent.iterdir() if not path.name.startswith(".")]
    assert beside == [run.id]


def ended(store: Path, status: str, **options: str) -> StoredRun:
    with Run("p", save_dir=store, **options) as run:  # type: ignore[arg-type]  # texts only
        run.log({"loss": 1.0}, step=0)
        run.mark_checkpoint(step=1, path=run.folder.path / "x.ckpt")
        if status != "running":
            run.end(status)  # type: ignore[arg-type]  # one of them
        return StoredRun(RunFolder(run.folder.path))


def test_a_run_of_another_script_is_told_what_to_give_to_the_trainer(tmp_path: Path) -> None:
    run = ended(tmp_path, "failed")
    (run.folder.path / "x.ckpt").touch()
    with pytest.raises(ValueError, match=r"not of train\.py") as told:
        again(run)
    assert f"trainer.fit(model, ckpt_path='{run.folder.path / 'x.ckpt'}')" in str(told.value)
    (run.folder.path / "x.ckpt").unlink()
    with pytest.raises(ValueError, match=f"version='{run.id}'"):
        again(run)


def test_what_cannot_be_resumed_is_told_with_the_cure(tmp_path: Path) -> None:
    with Run("p", save_dir=tmp_path) as open:
        open.log({"loss": 1.0}, step=0)
        with pytest.raises(ValueError, match="still running"):
            again(StoredRun(open.folder))
    with pytest.raises(ValueError, match="has pruned"):
        again(ended(tmp_path, "pruned"))
    with pytest.raises(ValueError, match="is a test of run r1"):
        again(ended(tmp_path, "failed", evaluates="r1"))


def test_secrets_have_to_be_given_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["train.py"])
    run = ended(tmp_path, "failed")
    kept = run.folder.hydra / "1"
    kept.mkdir(parents=True)
    (kept / "overrides.yaml").write_text("- lr=0.1\n- +data.hf_token=<hidden>\n")
    (tmp_path / "train.py").touch()
    with pytest.raises(ValueError, match=r"data\.hf_token"):
        again(run, cwd=tmp_path)
