"""Studies as a user types them, of a script that knows nothing of us."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from etm_lightning.optimize.folder import StudyFolder
from tests import warm
from tests.execute.test_command_line import environment
from tests.optimize.conftest import TASK, Search, command, studies


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def wait(condition: object, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]  # a function without arguments
        assert time.monotonic() < deadline
        time.sleep(0.01)


def started(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(*arguments),
        cwd=folder,
        env=environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_grid_is_hydras_each_point_a_process_of_its_own(search: Search, tmp_path: Path) -> None:
    study = search("x=1,2", "+z=a", "size=narrow,wide")
    assert study.done.returncode == 0, study.done.stderr
    tried = [line.split() for line in lines(tmp_path / "tried.txt")]
    assert [line[:2] for line in tried] == [["1", "1"], ["1", "7"], ["2", "1"], ["2", "7"]]
    assert len({line[2] for line in tried}) == 4
    assert [row["objective"] for row in study.rows] == ["5.0", "11.0", "2.0", "8.0"]
    assert [row["size"] for row in study.rows] == ["narrow", "wide"] * 2
    assert "best trial 2" in study.done.stdout
    shown = subprocess.run(
        [
            warm.python(),
            str(TASK),
            "--config-dir",
            str(study.folder.path),
            "+experiment=best",
            "--cfg",
            "job",
        ],
        cwd=tmp_path,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=True,
    )
    assert {"x: 2", "'y': 1.0", "z: a"} <= set(shown.stdout.splitlines())


def test_whatever_happens_to_a_trial_the_study_ends_complete_and_says_which(search: Search) -> None:
    kinds = "fine,dies,dies once,fails,memory,odd,several"
    study = search(f"kind={kinds}", "x=5", "hydra.sweeper.n_jobs=2")
    assert study.done.returncode == 1
    rows = {row["kind"].replace("\\ ", " "): row for row in study.rows}
    assert {kind: row["state"] for kind, row in rows.items()} == {
        "fine": "finished",
        "dies": "failed",
        "dies once": "finished",
        "fails": "failed",
        "memory": "infeasible",
        "odd": "failed",
        "several": "finished",
    }
    assert (rows["dies"]["attempts"], rows["dies once"]["attempts"], rows["fails"]["attempts"]) == (
        "2",
        "2",
        "1",
    )
    reasons = {"dies": "code 9", "fails": "planted failure", "odd": "nan"}
    for kind, words in reasons.items():
        assert words in rows[kind]["reason"]
        assert words in study.done.stderr
    assert "3 of the runs failed" in study.done.stderr
    assert study.history.over == "complete"


def test_a_trial_that_hangs_is_ended_in_time_and_the_next_one_begins(search: Search) -> None:
    # a study of its own: on a machine under load the time is over before another trial has begun to work
    study = search("kind=hangs", "x=1,2", "hydra.sweeper.trial_timeout=1")
    assert study.done.returncode == 1
    assert [(row["state"], row["attempts"]) for row in study.rows] == [("failed", "1")] * 2
    assert all("trial_timeout" in row["reason"] for row in study.rows)
    assert "2 of the runs failed" in study.done.stderr
    assert study.history.over == "complete"


def test_a_free_slot_gets_the_next_trial_at_once(tmp_path: Path) -> None:
    process = started(tmp_path, "kind=waits,a,b,c", "hydra.sweeper.n_jobs=2")
    wait(lambda: len(lines(tmp_path / "done.txt")) == 3)  # all the others, beside the one that waits
    assert len(lines(tmp_path / "tried.txt")) == 4
    (tmp_path / "go").touch()
    _, stderr = process.communicate(timeout=100)
    assert process.returncode == 0, stderr


def test_trials_are_given_the_gpus_there_are_and_share_them(search: Search) -> None:
    study = search("x=1,2,3,4", "meet=4", "hydra.sweeper.trials_per_gpu=2", CUDA_VISIBLE_DEVICES="3,5")
    trials = study.history.trials.values()
    assert sorted(trial.replicates[0].devices for trial in trials) == ["3", "3", "5", "5"]
    assert max(trial.started or 0 for trial in trials) < min(trial.ended or 0 for trial in trials)
    refused = search("x=1,2", "hydra.sweeper.gpus_per_trial=3", CUDA_VISIBLE_DEVICES="3,5").done
    assert "`search.gpus_per_trial` must be at most 2" in refused.stderr


def test_the_same_command_after_sigkill_comes_to_the_same_total(search: Search, tmp_path: Path) -> None:
    points = [f"{x:g}" for x in range(6)]
    arguments = ("x=range(0,6)", "pause=0.2", "hydra.sweeper.n_jobs=2")
    for moment in (1, 4):
        process = started(tmp_path, *arguments)
        wait(lambda n=moment: len(lines(tmp_path / "tried.txt")) >= n)
        warm.kill(process)
        process.communicate()
    study = search(*arguments)
    assert study.done.returncode == 0, study.done.stderr
    assert "going on with study" in study.done.stdout
    assert len(studies(tmp_path)) == 1
    done = [line.split()[0] for line in lines(tmp_path / "done.txt")]
    assert sorted(done) == points, "each point once, those that outlived their controller too"
    assert [row["state"] for row in study.rows] == ["finished"] * 6
    again = search(*arguments)
    assert len(studies(tmp_path)) == 2, "one that is over is not gone on with"
    assert again.done.returncode == 0


def test_a_trial_that_died_with_its_controller_is_tried_again(search: Search, tmp_path: Path) -> None:
    process = started(tmp_path, "x=1,2", "pause=0.5")
    wait(lambda: lines(tmp_path / "tried.txt"))
    warm.kill(process)
    process.communicate()
    os.kill(int(lines(tmp_path / "tried.txt")[0].split()[2]), signal.SIGKILL)
    study = search("x=1,2", "pause=0.5")
    assert [(row["state"], row["attempts"]) for row in study.rows] == [("finished", "2"), ("finished", "1")]


def test_a_result_that_no_controller_saw_come_is_taken_and_not_repeated(
    search: Search, tmp_path: Path
) -> None:
    study = search("x=1,2")
    known = study.folder.events_file.read_bytes().splitlines(keepends=True)
    asked = next(n for n, line in enumerate(known) if b'"asked"' in line and b'"number":1' in line)
    study.folder.events_file.write_bytes(b"".join(known[: asked + 1]))  # then the controller was killed
    again = search("x=1,2")
    assert again.done.returncode == 0, again.done.stderr
    assert [(row["state"], row["attempts"]) for row in again.rows] == [("finished", "1"), ("finished", "1")]
    assert [line.split()[0] for line in lines(tmp_path / "tried.txt")] == ["1", "2"]


def test_resume_false_begins_anew(search: Search, tmp_path: Path) -> None:
    process = started(tmp_path, "x=1,2", "pause=0.5")
    wait(lambda: lines(tmp_path / "tried.txt"))
    warm.kill(process)
    process.communicate()
    study = search("x=1,2", "pause=0.5", "hydra.sweeper.resume=false")
    assert len(studies(tmp_path)) == 2
    assert [row["attempts"] for row in study.rows] == ["1", "1"]


def test_another_space_in_the_same_folder_is_refused_with_the_difference(search: Search) -> None:
    place = "hydra.sweep.dir=studies/mine"
    assert search("x=1,2", place).done.returncode == 0
    refused = search("x=1,3", "y=1", place).done
    assert refused.returncode == 1
    assert "x: was one of 1, 2, is one of 1, 3" in refused.stderr
    assert "y: was not there, is 1" in refused.stderr
    more = search("x=1,2", place, "hydra.sweeper.n_trials=2")
    assert more.done.returncode == 0
    assert len(more.rows) == 2


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_once_waits_for_the_trial_and_twice_ends_it_and_both_can_go_on(
    search: Search, tmp_path: Path, times: int
) -> None:
    process = started(tmp_path, "x=1,2", "pause=0.8")
    wait(lambda: lines(tmp_path / "tried.txt"))
    for _ in range(times):
        process.send_signal(signal.SIGINT)
        time.sleep(0.2)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "etm study resume" in stderr
    assert "Traceback" not in stderr
    (folder,) = studies(tmp_path)
    assert folder.history().count("finished") == 2 - times
    study = search("x=1,2", "pause=0.8")
    assert [row["state"] for row in study.rows] == ["finished"] * 2
    assert len(studies(tmp_path)) == 1


def test_a_grid_needs_no_optuna_and_what_does_says_so(search: Search, tmp_path: Path) -> None:
    (tmp_path / "without" / "optuna").mkdir(parents=True)
    (tmp_path / "without" / "optuna" / "__init__.py").write_text(
        "raise ModuleNotFoundError('no optuna', name='optuna')"
    )
    path = f"{tmp_path / 'without'}:{environment(tmp_path)['PYTHONPATH']}"
    assert search("x=1", PYTHONPATH=path).done.returncode == 0
    refused = search("x=1,2", "hydra.sweeper.sampler=tpe", PYTHONPATH=path).done
    assert refused.returncode == 1
    assert "pip install 'etm-lightning[search]'" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("x=interval(0,1)", "hydra.sweeper.sampler=grid"), "`x` is an interval"),
        (("x=1,2", "hydra.sweeper.sampler=tpee"), "did you mean `tpe`"),
        (("x=1,2", "hydra.sweeper.pruner=mean"), "did you mean `median`"),
        (("x=1,2", "hydra.sweeper.n_trials=0"), "`search.n_trials` must be above 0"),
        (("x=1,2", "size=wide,medium"), "medium"),
    ],
)
def test_what_cannot_be_searched_is_told_before_anything_is_there(
    search: Search, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    refused = search(*arguments).done
    assert refused.returncode == 1
    assert words in refused.stderr
    assert not studies(tmp_path)


def test_a_search_with_optuna_goes_on_after_sigkill_too(search: Search, tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    arguments = ("x=interval(0,6)", "y=range(0,3)", "hydra.sweeper.n_trials=6", "pause=0.1")
    process = started(tmp_path, *arguments)
    wait(lambda: len(lines(tmp_path / "tried.txt")) >= 3)
    warm.kill(process)
    process.communicate()
    study = search(*arguments)
    assert study.done.returncode == 0, study.done.stderr
    assert [row["state"] for row in study.rows] == ["finished"] * 6
    assert len({row["x"] for row in study.rows}) == 6
    assert len(lines(tmp_path / "done.txt")) == 6
    for row in study.rows:
        assert float(row["objective"]) == pytest.approx((float(row["x"]) - 3) ** 2 + float(row["y"]))


def test_a_sampler_that_cannot_be_made_makes_no_study(search: Search, tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    refused = search("x=1,2", "hydra.sweeper.sampler={name: tpe, colour: 1}").done
    assert refused.returncode == 1
    assert "`search.sampler`" in refused.stderr
    assert "colour" in refused.stderr
    assert not studies(tmp_path)


def test_a_study_folder_is_read_though_its_last_line_is_torn(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    folder.events_file.write_text(
        '{"e":"asked","time":1.0,"number":0,"params":{},"output":"o"}\n{"e":"told","ti'
    )
    assert folder.history().trials[0].state == "waiting"
