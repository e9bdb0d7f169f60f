"""Studies on SLURM and on Ray: the same command, the same end, wherever the trials ran."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from etm_lightning.process import lives
from tests import warm
from tests.execute.test_command_line import MINE, ROOT, environment, runs
from tests.optimize.conftest import TASK, Search, command, studies
from tests.optimize.test_search import lines, wait
from tests.optimize.test_train_search import sweep, the_study

SLURM = Path(__file__).parent / "slurm"
LOCAL = ("hydra/launcher=etm_slurm", "hydra.launcher.cluster=local")
RAY = ("hydra/launcher=etm_ray", "+hydra.launcher.init.num_cpus=2")


def cold(folder: Path, *arguments: str, script: Path = TASK) -> subprocess.Popen[str]:
    """A multirun in a python of its own: Ray starts its processes with the interpreter that it finds."""
    words = command(*arguments)[3:] if script == TASK else [*arguments]
    return subprocess.Popen(
        [sys.executable, str(script), "-m", *words],
        cwd=folder,
        env=environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_hydras_own_sweeper_runs_all_in_one_process(search: Search, tmp_path: Path) -> None:
    done = search("x=1,2", "hydra/sweeper=basic", "hydra/launcher=basic").done
    assert done.returncode == 0, done.stderr
    tried = [line.split() for line in lines(tmp_path / "tried.txt")]
    assert [line[0] for line in tried] == ["1", "2"]
    assert len({line[2] for line in tried}) == 1
    assert not studies(tmp_path)


@pytest.mark.parametrize("name", ["etm_slurm", "etm_ray"])
def test_a_launcher_of_ours_says_that_it_needs_our_sweeper(search: Search, name: str, tmp_path: Path) -> None:
    done = search("x=1,2", "hydra/sweeper=basic", f"hydra/launcher={name}").done
    assert done.returncode == 1
    assert f"`hydra/launcher={name}` needs hydra/sweeper=etm" in done.stderr
    assert not (tmp_path / "tried.txt").exists()


@pytest.mark.parametrize(
    ("name", "package", "extra"), [("slurm", "submitit", "slurm"), ("ray", "ray", "ray")]
)
def test_what_is_not_installed_is_told_by_its_extra(
    search: Search, tmp_path: Path, name: str, package: str, extra: str
) -> None:
    (tmp_path / "without" / package).mkdir(parents=True)
    (tmp_path / "without" / package / "__init__.py").write_text(
        f"raise ModuleNotFoundError(name={package!r})"
    )
    path = f"{tmp_path / 'without'}:{environment(tmp_path)['PYTHONPATH']}"
    done = search("x=1,2", f"hydra/launcher=etm_{name}", PYTHONPATH=path).done
    assert done.returncode == 1
    assert f"pip install 'etm-lightning[{extra}]'" in done.stderr
    assert not studies(tmp_path)


def test_trials_are_jobs_of_slurm_and_one_that_dies_is_submitted_again(
    search: Search, tmp_path: Path
) -> None:
    (tmp_path / "jobs").mkdir()
    given = ("partition=short", "account=us", "cpus=3", "gpus=2", "mem=4GB", "time=30", "constraint=a100")
    study = search(
        "kind=fine,dies once",
        "x=5",
        "hydra/launcher=etm_slurm",
        *(f"hydra.launcher.{one}" for one in given),
        "+hydra.launcher.extra.nice=7",
        PATH=f"{SLURM}:{os.environ['PATH']}",
        SLURM_TESTS=str(tmp_path / "jobs"),
    )
    assert study.done.returncode == 0, study.done.stderr
    assert [(row["state"], row["attempts"]) for row in study.rows] == [("finished", "1"), ("finished", "2")]
    jobs = {trial.replicates[0].job for trial in study.history.trials.values()}
    assert jobs <= {"slurm 7", "slurm 8", "slurm 9"}
    (script,) = (study.folder.trial(0) / "slurm").glob("*_submission.sh")
    asked = script.read_text()
    for flag in ("partition=short", "account=us", "cpus-per-task=3", "gpus-per-node=2", "mem=4GB", "time=30"):
        assert f"#SBATCH --{flag}\n" in asked
    assert "#SBATCH --constraint=a100\n" in asked
    assert "#SBATCH --nice=7\n" in asked


def test_without_slurm_it_says_so(search: Search, tmp_path: Path) -> None:
    done = search("x=1", "hydra/launcher=etm_slurm", PATH="/nowhere").done
    assert done.returncode == 1
    assert "`hydra.launcher` cannot submit to slurm" in done.stderr


def test_a_study_through_submitit_goes_on_after_sigkill_with_the_jobs_that_went_on(
    search: Search, tmp_path: Path
) -> None:
    arguments = (*LOCAL, "x=range(0,4)", "kind=waits", "hydra.sweeper.n_jobs=2")
    process = subprocess.Popen(command(*arguments), cwd=tmp_path, env=environment(tmp_path), text=True)
    wait(lambda: len(lines(tmp_path / "tried.txt")) >= 2)
    warm.kill(process)
    (tmp_path / "go").touch()
    study = search(*arguments)
    assert study.done.returncode == 0, study.done.stderr
    assert "going on with study" in study.done.stdout
    assert sorted(line.split()[0] for line in lines(tmp_path / "done.txt")) == ["0", "1", "2", "3"]
    assert [(row["state"], row["attempts"]) for row in study.rows] == [("finished", "1")] * 4


def test_a_preempted_job_is_requeued_and_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    process = sweep(
        tmp_path,
        *(*LOCAL, "max_epochs=6", "+model.pause=0.15", "trainer.log_every_n_steps=1", "lr=0.1,0.2"),
        "search.n_trials=1",
    )
    wait(lambda: any((tmp_path / "etm_runs" / "default").glob("*/checkpoints/last.ckpt")), 100)
    trial = the_study(tmp_path).history().trials[0]
    (job,) = psutil.Process(int(trial.replicates[0].job.split()[1])).children()
    job.send_signal(signal.SIGUSR2)
    _, stderr = process.communicate(timeout=200)
    assert process.returncode == 0, stderr
    (run,) = runs(tmp_path)
    assert (run.status, run.attempts) == ("finished", 2)
    steps = [point.step for point in run.series("train/loss")]
    assert steps == list(range(len(steps)))
    assert len(steps) == 24
    assert the_study(tmp_path).history().trials[0].attempts == 1


@pytest.mark.slow
def test_whatever_happens_to_a_trial_on_ray_the_study_ends_complete_and_ray_says_nothing(
    tmp_path: Path,
) -> None:
    process = cold(tmp_path, *RAY, "kind=fine,dies,memory", "x=5")
    stdout, stderr = process.communicate(timeout=200)
    (folder,) = studies(tmp_path)
    trials = folder.history().trials.values()
    assert [trial.state for trial in trials] == ["finished", "failed", "infeasible"]
    assert [trial.attempts for trial in trials] == [1, 2, 1]
    assert all(trial.replicates[0].job.startswith("ray ") for trial in trials)
    told = stdout.splitlines() + stderr.splitlines()
    assert all(
        line.lstrip().startswith(("trial", "study", "kind", "best", "again", "1 of")) for line in told
    ), told
    assert process.returncode == 1


@pytest.mark.soak
@pytest.mark.parametrize("launcher", [LOCAL, RAY], ids=["submitit", "ray"])
def test_a_trial_that_hangs_is_ended_elsewhere_too(tmp_path: Path, launcher: tuple[str, ...]) -> None:
    process = cold(tmp_path, *launcher, "kind=hangs", "x=1", "hydra.sweeper.trial_timeout=3")
    process.communicate(timeout=200)
    (folder,) = studies(tmp_path)
    (trial,) = folder.history().trials.values()
    assert (trial.state, trial.attempts) == ("failed", 1)
    assert "trial_timeout" in trial.reason
    process_of = trial.replicates[0].process
    assert process_of is not None
    assert not lives(process_of)


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_a_study_on_ray_goes_on_after_sigkill_though_its_cluster_died_with_it(tmp_path: Path) -> None:
    arguments = (*RAY, "x=range(0,6)", "pause=0.5")
    for moment in (1, 4):
        process = cold(tmp_path, *arguments)
        wait(lambda n=moment: len(lines(tmp_path / "tried.txt")) >= n)
        process.kill()
        process.communicate()
    last = cold(tmp_path, *arguments)
    _, stderr = last.communicate(timeout=200)
    assert last.returncode == 0, stderr
    (folder,) = studies(tmp_path)
    assert [trial.state for trial in folder.history().trials.values()] == ["finished"] * 6
    done = [line.split()[0] for line in lines(tmp_path / "done.txt")]
    assert sorted(done) == [f"{x}" for x in range(6)]


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("launcher", [LOCAL, (*RAY, "hydra.launcher.cpus=2")], ids=["submitit", "ray"])
def test_two_ranks_that_cannot_win_are_pruned_together_elsewhere_too(
    tmp_path: Path, launcher: tuple[str, ...]
) -> None:
    process = cold(
        tmp_path,
        *(*MINE, *launcher, "test=false", "trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2"),
        *("max_epochs=50", "lr=0.1", "+model.spoil=true", "+model.pause=0.2"),
        "search.pruner={name: patience, patience: 0}",
        script=ROOT / "train.py",
    )
    _, stderr = process.communicate(timeout=500)
    assert process.returncode == 0, stderr
    (run,) = runs(tmp_path)
    assert run.status == "pruned"
    assert 2 <= len(run.series("val/loss")) < 50


def test_ctrl_c_lets_a_job_finish_and_the_study_may_go_on_elsewhere(search: Search, tmp_path: Path) -> None:
    arguments = (*LOCAL, "x=1,2", "pause=1")
    process = subprocess.Popen(
        command(*arguments), cwd=tmp_path, env=environment(tmp_path), stderr=subprocess.PIPE, text=True
    )
    wait(lambda: lines(tmp_path / "tried.txt"))
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "etm study resume" in stderr
    (folder,) = studies(tmp_path)
    assert folder.history().count("finished") == 1
    study = search("x=1,2", "pause=1", "hydra/launcher=etm_local")
    assert [row["state"] for row in study.rows] == ["finished"] * 2
    assert len(studies(tmp_path)) == 1, "where trials run may change"
